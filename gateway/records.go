package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// recordJSON is a mirrored object of Ashby's and where it stands.
type recordJSON struct {
	Kind       string    `json:"kind"`
	ID         string    `json:"id"`
	Connection string    `json:"connection"`
	Parent     string    `json:"parent"`
	Version    int64     `json:"version"`
	ChangedAt  time.Time `json:"changed_at"`
	// UpdatedAt is Ashby's, nil where the kind has none.
	UpdatedAt *time.Time `json:"updated_at"`
	Gone      bool       `json:"gone"`
	// Record is Ashby's object; null where it is gone and was sealed, and where Error says that it does not open.
	Record json.RawMessage `json:"record"`
	Error  string          `json:"error,omitempty"`
}

type recordsJSON struct {
	Records []recordJSON `json:"records"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

// recordPosition is a mirror.RecordCursor as the cursor carries it.
type recordPosition struct {
	ChangedAt time.Time `json:"c"`
	ID        string    `json:"i"`
}

// unopened is what is said of a sealed record that does not open: the others are answered all the same.
const unopened = "This record cannot be opened with the present keyset. The operator has to bring back the key that " +
	"sealed it."

// listRecords returns the records of one kind of one connection in the order of our last change, as listJobs does jobs.
func (g *Gateway) listRecords(c *fiber.Ctx) error {
	q := readQuery(c, "connection", "updated_since", "cursor", "limit")
	query := mirror.RecordQuery{Connection: q.connection(), UpdatedSince: q.since(), Limit: q.limit()}
	var after recordPosition
	q.cursor(&after)
	query.After = mirror.RecordCursor(after)
	kind, err := g.readableKind(c, q, query.Connection)
	if err != nil {
		return err
	}
	query.Kind = string(kind)
	states, err := g.opts.Records.Records(c.UserContext(), query)
	if err != nil {
		return fmt.Errorf("listing records: %w", err)
	}
	out := recordsJSON{Records: make([]recordJSON, 0, len(states))}
	for _, s := range states {
		out.Records = append(out.Records, g.recordOf(c.UserContext(), query.Connection, s))
	}
	out.NextCursor = nextCursor(states, query.Limit, func(last mirror.RecordState) any {
		return recordPosition{last.ChangedAt.UTC(), last.ID}
	})
	return writeJSON(c, fiber.StatusOK, out)
}

func (g *Gateway) showRecord(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	q := readQuery(c, "connection")
	connection := q.connection()
	kind, err := g.readableKind(c, q, connection)
	if err != nil {
		return err
	}
	if !idShape.MatchString(id) {
		return errNotFound
	}
	state, err := g.opts.Records.Record(c.UserContext(), connection, string(kind), id)
	if err != nil {
		return fmt.Errorf("reading record: %w", err)
	}
	return writeJSON(c, fiber.StatusOK, g.recordOf(c.UserContext(), connection, state))
}

// readableKind checks the kind in the path and the query, and that the connection is there and has the kind.
func (g *Gateway) readableKind(c *fiber.Ctx, q *query, connection string) (ashby.Kind, error) {
	r, err := kindOf(strings.Clone(c.Params("kind")))
	if err != nil {
		return "", err
	}
	if q.value("connection") == "" {
		q.fault("connection", "it is required: records belong to one employer")
	}
	if err := q.err(); err != nil {
		return "", err
	}
	exchangeOf(c).connection = connection
	v, err := g.opts.Connections.View(c.UserContext(), connection)
	if err != nil {
		return "", fmt.Errorf("reading connection: %w", err)
	}
	if v.Status == mirror.StatusRemoved {
		return "", errRemoved
	}
	return r.Kind, requireKind(r, v.Modules)
}

// recordOf opens a record for the answer. Nothing of its contents reaches the log.
func (g *Gateway) recordOf(ctx context.Context, connection string, s mirror.RecordState) recordJSON {
	out := recordJSON{
		Kind: s.Kind, ID: s.ID, Connection: connection, Parent: s.Parent, Version: s.Version,
		ChangedAt: s.ChangedAt.UTC(), UpdatedAt: utc(s.UpdatedAt), Gone: s.Gone, Record: s.Doc,
	}
	switch {
	case len(s.Doc) > 0:
		return out
	case s.Gone:
		out.Record = json.RawMessage("null")
		return out
	}
	doc, err := g.opts.Seal.Open(s.Sealed, connection, mirror.RecordSecret(s.Kind, s.ID))
	if err == nil && !json.Valid([]byte(doc.Reveal())) {
		err = errors.New("what it holds is no JSON")
	}
	if err != nil {
		g.log.ErrorContext(ctx, "sealed record does not open", "connection", connection, "kind", s.Kind, "record", s.ID,
			"error", err)
		out.Record, out.Error = json.RawMessage("null"), unopened
		return out
	}
	out.Record = json.RawMessage(doc.Reveal())
	return out
}
