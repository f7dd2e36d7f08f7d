package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// jobJSON is a public job, the same object as in events, and where it stands.
type jobJSON struct {
	Job        json.RawMessage `json:"job"`
	State      string          `json:"state"`
	Version    int64           `json:"version"`
	Reason     *events.Reason  `json:"reason"`
	ChangedAt  time.Time       `json:"changed_at"`
	ObservedAt time.Time       `json:"observed_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
	VerifiedAt *time.Time      `json:"verified_at"`
}

type jobsJSON struct {
	Jobs []jobJSON `json:"jobs"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

// jobPosition is a mirror.JobCursor as the cursor carries it.
type jobPosition struct {
	UpdatedAt  time.Time `json:"u"`
	Connection string    `json:"c"`
	Posting    string    `json:"p"`
}

func jobOf(s mirror.JobState) jobJSON {
	out := jobJSON{
		Job: s.Job, State: s.State, Version: s.Version, ChangedAt: s.ChangedAt.UTC(),
		ObservedAt: s.ObservedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(), VerifiedAt: utc(s.VerifiedAt),
	}
	if s.Reason != "" {
		out.Reason = &s.Reason
	}
	return out
}

// jobKey is what names a job within the public object.
type jobKey struct {
	ID         string `json:"id"`
	Connection string `json:"connection"`
}

func keyOf(s mirror.JobState) (jobKey, error) {
	var k jobKey
	if err := json.Unmarshal(s.Job, &k); err != nil {
		return k, fmt.Errorf("reading a stored job: %w", err)
	}
	return k, nil
}

// listJobs returns jobs in the order of our last change. The store holds back what an unfinished change might still
// come before, so whoever asks again from the largest updated_at seen misses no change.
func (g *Gateway) listJobs(c *fiber.Ctx) error {
	q := readQuery(c, "connection", "updated_since", "state", "cursor", "limit")
	query := mirror.JobQuery{
		Connection: q.connection(), UpdatedSince: q.since(), State: q.value("state"), Limit: q.limit(),
	}
	if !slices.Contains([]string{"", "open", "closed"}, query.State) {
		q.fault("state", "it must be open or closed")
	}
	var after jobPosition
	q.cursor(&after)
	query.After = mirror.JobCursor(after)
	if err := q.err(); err != nil {
		return err
	}
	states, err := g.opts.Jobs.Jobs(c.UserContext(), query)
	if err != nil {
		return fmt.Errorf("listing jobs: %w", err)
	}
	out := jobsJSON{Jobs: make([]jobJSON, 0, len(states))}
	for _, s := range states {
		out.Jobs = append(out.Jobs, jobOf(s))
	}
	if len(states) == query.Limit {
		last := states[len(states)-1]
		k, err := keyOf(last)
		if err != nil {
			return err
		}
		next := encodeCursor(jobPosition{last.UpdatedAt.UTC(), k.Connection, k.ID})
		out.NextCursor = &next
	}
	return writeJSON(c, fiber.StatusOK, out)
}

// showJob returns one job. Posting ids are unique within an employer only, so several employers may have the same one.
func (g *Gateway) showJob(c *fiber.Ctx) error {
	posting := strings.Clone(c.Params("id"))
	q := readQuery(c, "connection")
	connection := q.connection()
	if err := q.err(); err != nil {
		return err
	}
	if !idShape.MatchString(posting) {
		return errNotFound
	}
	state, _, err := g.job(c.UserContext(), connection, posting)
	if err != nil {
		return err
	}
	return writeJSON(c, fiber.StatusOK, jobOf(state))
}

// job returns the one job with the posting id and what names it. errNotFound; errAmbiguous, with the connections, where
// several have it.
func (g *Gateway) job(ctx context.Context, connection, posting string) (mirror.JobState, jobKey, error) {
	states, err := g.opts.Jobs.Job(ctx, connection, posting)
	if err != nil {
		return mirror.JobState{}, jobKey{}, fmt.Errorf("reading job: %w", err)
	}
	if len(states) == 0 {
		return mirror.JobState{}, jobKey{}, errNotFound
	}
	p := *errAmbiguous
	var key jobKey
	for _, s := range states {
		if key, err = keyOf(s); err != nil {
			return mirror.JobState{}, key, err
		}
		p.Connections = append(p.Connections, key.Connection)
	}
	if len(states) > 1 {
		slices.Sort(p.Connections)
		return mirror.JobState{}, jobKey{}, &p
	}
	return states[0], key, nil
}
