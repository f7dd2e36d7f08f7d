package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// testJSON says what came of a test.
type testJSON struct {
	Delivered bool   `json:"delivered"`
	WebhookID string `json:"webhook_id"`
	mirror.Attempt
}

// testReceiver sends an event now, as any other is sent, and answers with what came back. An endpoint that is paused can be
// tested too, before it is resumed.
func (g *Gateway) testReceiver(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	// One at a time: a test is a request that anybody with the token can cause as often as they like.
	unlock, ok := g.tests.tryLock(id)
	if !ok {
		return errTestBusy
	}
	defer unlock()
	ctx := c.UserContext()
	v, err := g.opts.Receivers.Receiver(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an endpoint: %w", err)
	}
	m, err := g.testMessage(v.Receiver)
	if err != nil {
		return err
	}
	r := g.opts.SendWebhook(ctx, m)
	return writeJSON(c, fiber.StatusOK, testJSON{Delivered: r.Delivered(), WebhookID: m.ID, Attempt: r.Attempt})
}

func (g *Gateway) testMessage(r mirror.Receiver) (courier.Message, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return courier.Message{}, fmt.Errorf("making an id: %w", err)
	}
	now := g.opts.Now()
	m := courier.Message{URL: r.URL, ID: id.String()}
	sealed := []mirror.Sealed{r.Secret}
	if r.PreviousUntil != nil && now.Before(*r.PreviousUntil) {
		sealed = append(sealed, r.Previous)
	}
	for _, s := range sealed {
		var secret ashby.Secret
		if secret, err = g.opts.Seal.Open(s, r.ID, seal.KindEndpointSecret); err != nil {
			return m, fmt.Errorf("opening a signing secret: %w", err)
		}
		m.Secrets = append(m.Secrets, secret)
	}
	data, err := json.Marshal(events.EndpointData{Endpoint: r.ID, Reason: "Somebody asked for a test of this endpoint."})
	if err != nil {
		return m, fmt.Errorf("writing a test event: %w", err)
	}
	m.Body, err = mirror.EncodeEvent(events.EndpointEvent(events.EndpointTest, m.ID, r.ID, now, data))
	return m, err
}

// pauseBody is the body of a pause; there may be none.
type pauseBody struct {
	Reason *string `json:"reason"`
}

// pauseReceiver sends nothing more; what waits is kept, what is published meanwhile makes no delivery.
func (g *Gateway) pauseReceiver(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	var body pauseBody
	if err := readOptionalJSON(c, &body); err != nil {
		return err
	}
	var f form
	reason := f.note("reason", body.Reason)
	if err := f.err(); err != nil {
		return err
	}
	if err := g.opts.Receivers.PauseReceiver(c.UserContext(), id, reason); err != nil {
		return fmt.Errorf("pausing an endpoint: %w", err)
	}
	g.opts.Bus.WakeWebhooks()
	return g.answerReceiver(c, id, nil)
}

// resumeBody is the body of a resumption; there may be none.
type resumeBody struct {
	Snapshot bool `json:"snapshot"`
}

// resumeReceiver makes an endpoint active. With snapshot, the latest state of every job makes up for what it missed.
func (g *Gateway) resumeReceiver(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	var body resumeBody
	if err := readOptionalJSON(c, &body); err != nil {
		return err
	}
	ctx := c.UserContext()
	if err := g.opts.Receivers.ResumeReceiver(ctx, id); err != nil {
		return fmt.Errorf("resuming an endpoint: %w", err)
	}
	var replayed *replayedJSON
	if body.Snapshot {
		detailOf(c).Replay = replaySnapshot
		r, err := g.opts.Receivers.Replay(ctx, id, mirror.Replay{Snapshot: true})
		if err != nil {
			return fmt.Errorf("queueing a snapshot: %w", err)
		}
		replayed = showReplayed(r)
	}
	g.opts.Bus.WakeWebhooks()
	return g.answerReceiver(c, id, replayed)
}

// receiverReplay is the body of a replay to an endpoint: one of the three.
type receiverReplay struct {
	Snapshot bool    `json:"snapshot"`
	Since    *string `json:"since"`
	Failed   bool    `json:"failed"`
}

// kind says what a body asks for that was checked.
func (b receiverReplay) kind() replayKind {
	switch {
	case b.Snapshot:
		return replaySnapshot
	case b.Failed:
		return replayFailed
	}
	return replaySince
}

func (g *Gateway) replayToReceiver(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	var body receiverReplay
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	what := mirror.Replay{Snapshot: body.Snapshot, Failed: body.Failed}
	asked := 0
	for _, is := range []bool{body.Snapshot, body.Failed, body.Since != nil} {
		if is {
			asked++
		}
	}
	if asked != 1 {
		f.fault("", `ask for one of {"snapshot": true}, {"since": "2026-11-23T10:00:00Z"} and {"failed": true}`)
	}
	if body.Since != nil {
		if what.Since, err = time.Parse(time.RFC3339Nano, *body.Since); err != nil || what.Since.After(g.opts.Now()) {
			f.fault("since", "it must be a time that has passed, such as 2026-11-23T10:00:00Z")
		}
	}
	if err := f.err(); err != nil {
		return err
	}
	detailOf(c).Replay = body.kind()
	r, err := g.opts.Receivers.Replay(c.UserContext(), id, what)
	if err != nil {
		return fmt.Errorf("replaying to an endpoint: %w", err)
	}
	g.opts.Bus.WakeWebhooks()
	return writeJSON(c, fiber.StatusAccepted, showReplayed(r))
}

type parcelsJSON struct {
	Deliveries []parcelJSON `json:"deliveries"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

func (g *Gateway) listParcels(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	q := readQuery(c, "state", "cursor", "limit")
	query := mirror.ParcelQuery{Receiver: id, State: q.value("state"), Limit: q.limit()}
	switch query.State {
	case "", mirror.ParcelPending, mirror.ParcelDelivered, mirror.ParcelFailed, mirror.ParcelSuperseded:
	default:
		q.fault("state", "it must be pending, delivered, failed or superseded")
	}
	q.cursor(&query.Before)
	if err := q.err(); err != nil {
		return err
	}
	views, err := g.opts.Receivers.Parcels(c.UserContext(), query)
	if err != nil {
		return fmt.Errorf("listing deliveries: %w", err)
	}
	out := parcelsJSON{Deliveries: make([]parcelJSON, 0, len(views))}
	for _, v := range views {
		out.Deliveries = append(out.Deliveries, showParcel(v))
	}
	out.NextCursor = nextCursor(views, query.Limit, func(last mirror.ParcelView) any { return last.ID })
	return writeJSON(c, fiber.StatusOK, out)
}
