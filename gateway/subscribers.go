package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/boards"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// mostSubscribed bounds a subscriber's choice of employers: each adds two subjects to its consumer.
	mostSubscribed = 500
	// settleTime bounds what a request waits for NATS to have the consumer as the row says; the notifier's process does
	// what is left.
	settleTime = 4 * time.Second
	// lagTime bounds what a request waits for the lags that it shows, lagsAtOnce how many are asked for at the same time.
	lagTime    = 5 * time.Second
	lagsAtOnce = 8
)

// subscription is the body of POST /v1/subscribers.
type subscription struct {
	Name      *string         `json:"name"`
	Employers json.RawMessage `json:"employers"`
}

// forBoards answers with what is to be set where boards cannot log in.
func (g *Gateway) forBoards(handler fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if g.opts.NATSIssuer == "" {
			return errNoIssuer
		}
		return handler(c)
	}
}

// createSubscriber stores a board and makes its consumer. The row is what counts: where NATS is away, the answer is the
// same but for the status, and the consumer follows.
func (g *Gateway) createSubscriber(c *fiber.Ctx) error {
	var body subscription
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	name, employers := f.boardName(body.Name), f.employers(body.Employers, mostSubscribed)
	if err := f.err(); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making an id: %w", err)
	}
	s := mirror.Subscriber{
		ID: "sub_" + strings.ReplaceAll(id.String(), "-", ""), Name: name, Employers: employers, Generation: 1, Replay: 1,
		Start: mirror.Start{Kind: mirror.StartSnapshot},
		// As precise as the store keeps it, so that this answer and a later one say the same.
		CreatedAt: g.opts.Now().UTC().Truncate(time.Microsecond),
	}
	password, hash := newBoardPassword()
	ctx := c.UserContext()
	if err := g.opts.Subscribers.CreateSubscriber(ctx, s, hash); err != nil {
		return fmt.Errorf("storing subscriber: %w", err)
	}
	exchangeOf(c).target = s.ID
	c.Location("/v1/subscribers/" + s.ID)
	return writeJSON(c, fiber.StatusCreated, g.showSubscriber(g.settle(ctx, s), password))
}

// newBoardPassword has 130 random bits, so that its bare hash tells nothing.
func newBoardPassword() (password ashby.Secret, hash []byte) {
	text := "ash_sub_" + strings.ToLower(rand.Text())
	sum := sha256.Sum256([]byte(text))
	return ashby.Secret(text), sum[:]
}

// settle makes the subscriber's consumer what its row says, and returns what it is then. A failure is not the request's:
// the row is stored, and another process goes on.
func (g *Gateway) settle(ctx context.Context, s mirror.Subscriber) mirror.Subscriber {
	bounded, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	settled, err := boards.Settle(bounded, g.opts.Subscribers, g.opts.Boards, s)
	if err != nil {
		g.log.WarnContext(ctx, "a board's consumer could not be made as asked, the notifier goes on",
			"subscriber", s.ID, "error", err)
		return s
	}
	return settled
}

type subscribersJSON struct {
	Subscribers []subscriberJSON `json:"subscribers"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

func (g *Gateway) listSubscribers(c *fiber.Ctx) error {
	q := readQuery(c, "cursor", "limit")
	after, limit := "", q.limit()
	q.cursor(&after)
	if err := q.err(); err != nil {
		return err
	}
	ctx := c.UserContext()
	page, err := g.opts.Subscribers.Subscribers(ctx, after, limit)
	if err != nil {
		return fmt.Errorf("listing subscribers: %w", err)
	}
	out := subscribersJSON{
		Subscribers: g.showLags(ctx, page),
		NextCursor:  nextCursor(page, limit, func(last mirror.Subscriber) any { return last.ID }),
	}
	return writeJSON(c, fiber.StatusOK, out)
}

// showLags shows subscribers with how far their consumers are, as far as NATS tells within lagTime.
func (g *Gateway) showLags(ctx context.Context, page []mirror.Subscriber) []subscriberJSON {
	ctx, cancel := context.WithTimeout(ctx, lagTime)
	defer cancel()
	out := make([]subscriberJSON, len(page))
	var asking errgroup.Group
	asking.SetLimit(lagsAtOnce)
	for i, s := range page {
		asking.Go(func() error {
			out[i] = g.showSubscriber(s, "")
			lag, err := g.opts.Boards.SubscriberLag(ctx, s)
			switch {
			case err == nil:
				out[i].Lag = showLag(lag)
			case errors.Is(err, mirror.ErrNoConsumer):
				out[i].LagNote = noteNoQueue
			default:
				out[i].LagNote = noteNoLag
			}
			return nil
		})
	}
	_ = asking.Wait() // none returns an error
	return out
}

// subscriberID is the id in the path, copied; one that cannot be an id names nothing.
func subscriberID(c *fiber.Ctx) (string, error) {
	id := strings.Clone(c.Params("id"))
	if !idShape.MatchString(id) {
		return "", errNotFound
	}
	return id, nil
}

func (g *Gateway) showOneSubscriber(c *fiber.Ctx) error {
	id, err := subscriberID(c)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	s, err := g.opts.Subscribers.Subscriber(ctx, id)
	if err != nil {
		return fmt.Errorf("reading subscriber: %w", err)
	}
	if s.RevokedAt != nil {
		return writeJSON(c, fiber.StatusOK, g.showSubscriber(s, ""))
	}
	return writeJSON(c, fiber.StatusOK, g.showLags(ctx, []mirror.Subscriber{s})[0])
}

// patchSubscriber changes name and employers. Other employers begin the consumer anew: one in the middle of the stream
// would not be told what it passed over before.
func (g *Gateway) patchSubscriber(c *fiber.Ctx) error {
	id, err := subscriberID(c)
	if err != nil {
		return err
	}
	var body subscription
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	var patch mirror.SubscriberPatch
	if body.Name == nil && body.Employers == nil {
		f.fault("", "name at least one field to change")
	}
	if body.Name != nil {
		name := f.boardName(body.Name)
		patch.Name = &name
	}
	if body.Employers != nil {
		employers := f.employers(body.Employers, mostSubscribed)
		patch.Employers = &employers
	}
	if err := f.err(); err != nil {
		return err
	}
	ctx := c.UserContext()
	s, err := g.opts.Subscribers.PatchSubscriber(ctx, id, patch)
	if err != nil {
		return fmt.Errorf("changing subscriber: %w", err)
	}
	if s.MadeAt == nil {
		s = g.settle(ctx, s)
	}
	return writeJSON(c, fiber.StatusOK, g.showSubscriber(s, ""))
}

// rotateSubscriber gives the board another password, user and consumer. The old ones are of no use from then on.
func (g *Gateway) rotateSubscriber(c *fiber.Ctx) error {
	id, err := subscriberID(c)
	if err != nil {
		return err
	}
	password, hash := newBoardPassword()
	ctx := c.UserContext()
	s, err := g.opts.Subscribers.RotateSubscriber(ctx, id, hash)
	if err != nil {
		return fmt.Errorf("rotating subscriber: %w", err)
	}
	g.logins.forget(mirror.SubscriberUser(id, s.Generation-1))
	g.logins.forget(s.User())
	settled := g.settle(ctx, s)
	if settled.Generation != s.Generation {
		settled = s // another rotation was faster: this password belongs to this generation
	}
	return writeJSON(c, fiber.StatusOK, g.showSubscriber(settled, password))
}

// revokeSubscriber shuts the board out for good.
func (g *Gateway) revokeSubscriber(c *fiber.Ctx) error {
	id, err := subscriberID(c)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	s, err := g.opts.Subscribers.RevokeSubscriber(ctx, id)
	if err != nil {
		return fmt.Errorf("revoking subscriber: %w", err)
	}
	g.logins.forget(s.User())
	out := g.showSubscriber(s, "")
	bounded, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if _, err := boards.Settle(bounded, g.opts.Subscribers, g.opts.Boards, s); err != nil {
		out.Note = noteRevoked
		g.log.WarnContext(ctx, "a revoked board's consumer could not be removed, the notifier goes on",
			"subscriber", s.ID, "error", err)
	}
	return writeJSON(c, fiber.StatusOK, out)
}

// boardName checks a board's name: 1 to 100 characters, none of them control characters.
func (f *form) boardName(v *string) string {
	const longest = 100
	s := f.text("name", v)
	if len(f.faults) == 0 && len([]rune(s)) > longest {
		f.fault("name", "it must have 1 to 100 characters")
	}
	return s
}

// employers checks a choice of employers: null, or nothing, for all, else ids of connections, 1 to most of them.
func (f *form) employers(raw json.RawMessage, most int) []string {
	const field = "employers"
	var ids []string
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, &ids); err != nil {
		f.fault(field, "it must be null, for all employers, or a list of ids of connections")
		return nil
	}
	if ids == nil {
		return nil
	}
	if len(ids) < 1 || len(ids) > most {
		f.fault(field, fmt.Sprintf("it must be null, for all employers, or name 1 to %d connections", most))
	}
	for _, id := range ids {
		if !idShape.MatchString(id) {
			f.fault(field, fmt.Sprintf("%q cannot be the id of a connection", clip(id)))
			break
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}
