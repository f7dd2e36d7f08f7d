package gateway

import (
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

type holdsJSON struct {
	Holds []holdJSON `json:"holds"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

// holdPosition is a mirror.HoldCursor as the cursor carries it.
type holdPosition struct {
	OpenedAt time.Time `json:"o"`
	ID       string    `json:"i"`
}

func (g *Gateway) listHolds(c *fiber.Ctx) error {
	q := readQuery(c, "connection", "ended", "cursor", "limit")
	query := mirror.HoldQuery{Connection: q.connection(), Ended: q.truth("ended"), Limit: q.limit()}
	var before holdPosition
	q.cursor(&before)
	query.Before = mirror.HoldCursor(before)
	if err := q.err(); err != nil {
		return err
	}
	views, err := g.opts.Holds.Holds(c.UserContext(), query)
	if err != nil {
		return fmt.Errorf("listing holds: %w", err)
	}
	out := holdsJSON{Holds: make([]holdJSON, 0, len(views))}
	for _, v := range views {
		out.Holds = append(out.Holds, showHold(v))
	}
	out.NextCursor = nextCursor(views, query.Limit, func(last mirror.HeldView) any {
		return holdPosition{last.OpenedAt.UTC(), last.ID}
	})
	return writeJSON(c, fiber.StatusOK, out)
}

func (g *Gateway) approveHold(c *fiber.Ctx) error { return g.decideHold(c, mirror.HoldApproved) }

func (g *Gateway) rejectHold(c *fiber.Ctx) error { return g.decideHold(c, mirror.HoldRejected) }

// decision is the body of a decision on a hold; there may be none.
type decision struct {
	Note *string `json:"note"`
}

// decideHold stores what a person decided. The store makes a poll due with it, which is what makes its effect sure; the
// hint makes it soon.
func (g *Gateway) decideHold(c *fiber.Ctx, state string) error {
	id := strings.Clone(c.Params("id"))
	if !idShape.MatchString(id) {
		return errNotFound
	}
	var body decision
	if err := readOptionalJSON(c, &body); err != nil {
		return err
	}
	var f form
	note := f.note("note", body.Note)
	if err := f.err(); err != nil {
		return err
	}
	ctx := c.UserContext()
	what := mirror.HoldDecision{State: state, Note: note, By: inWords(exchangeOf(c).caller.actor)}
	v, err := g.opts.Holds.DecideHold(ctx, id, what)
	if err != nil {
		return fmt.Errorf("deciding on a hold: %w", err)
	}
	detailOf(c).Note = note
	exchangeOf(c).connection = v.Connection
	exchangeOf(c).hint = &mirror.Hint{Connection: v.Connection, Kind: mirror.HintPoll}
	return writeJSON(c, fiber.StatusOK, showHold(v))
}
