package gateway

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// replayBody is the body of POST /v1/subscribers/{id}/replay: exactly one of its fields.
type replayBody struct {
	// Snapshot asks for the last event of each job and connection.
	Snapshot *bool `json:"snapshot"`
	// Since asks for every event that the stream keeps from a time on.
	Since *string `json:"since"`
	// Job asks for every event from one version of a job on.
	Job *replayJob `json:"job"`
}

type replayJob struct {
	Connection string `json:"connection"`
	Posting    string `json:"posting"`
	Version    int64  `json:"version"`
}

// versionsJSON are the versions of a job that the stream keeps.
type versionsJSON struct {
	Oldest int64 `json:"oldest"`
	Newest int64 `json:"newest"`
}

// replaySubscriber has a board's consumer begin anew. What it was told before, it is told again.
func (g *Gateway) replaySubscriber(c *fiber.Ctx) error {
	id, err := subscriberID(c)
	if err != nil {
		return err
	}
	var body replayBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	start, err := body.start(g.opts.Now())
	if err != nil {
		return err
	}
	detailOf(c).Replay = body.kind()
	ctx := c.UserContext()
	if body.Job != nil {
		if start.Sequence, err = g.placeOf(c, id, *body.Job); err != nil {
			return err
		}
	}
	s, err := g.opts.Subscribers.ReplaySubscriber(ctx, id, start)
	if err != nil {
		return fmt.Errorf("replaying to subscriber: %w", err)
	}
	return writeJSON(c, fiber.StatusOK, g.showSubscriber(g.settle(ctx, s), ""))
}

// kind says what a body asks for that was checked.
func (b replayBody) kind() replayKind {
	switch {
	case b.Since != nil:
		return replaySince
	case b.Job != nil:
		return replayOneJob
	}
	return replaySnapshot
}

// start checks the body; the place of a job's version is still to be found.
func (b replayBody) start(now time.Time) (mirror.Start, error) {
	var f form
	var start mirror.Start
	given := 0
	if b.Snapshot != nil {
		given++
		start.Kind = mirror.StartSnapshot
		if !*b.Snapshot {
			f.fault("snapshot", "it must be true, or left out")
		}
	}
	if b.Since != nil {
		given++
		at, err := time.Parse(time.RFC3339Nano, *b.Since)
		if err != nil {
			f.fault("since", "it must be a time such as 2026-11-23T10:00:00Z")
		} else if at.After(now) {
			f.fault("since", "it must not lie in the future")
		}
		start = mirror.Start{Kind: mirror.StartTime, Time: at.UTC()}
	}
	if b.Job != nil {
		given++
		start.Kind = mirror.StartSequence
		if !idShape.MatchString(b.Job.Connection) {
			f.fault("job.connection", "it must be the id of a connection")
		}
		if !idShape.MatchString(b.Job.Posting) {
			f.fault("job.posting", "it must be the id of a posting")
		}
		if b.Job.Version < 1 {
			f.fault("job.version", "it must be a number from 1 on")
		}
	}
	if given != 1 {
		f.fault("", "name exactly one of snapshot, since and job")
	}
	return start, f.err()
}

// placeOf finds where a version of a job lies in the stream. Without NATS nobody knows, so the request is refused then.
func (g *Gateway) placeOf(c *fiber.Ctx, id string, job replayJob) (uint64, error) {
	ctx := c.UserContext()
	s, err := g.opts.Subscribers.Subscriber(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("reading subscriber: %w", err)
	}
	if s.RevokedAt != nil {
		return 0, errRevoked
	}
	if s.Employers != nil && !slices.Contains(s.Employers, job.Connection) {
		p := *errNotSubscribed
		p.Connections = s.Employers
		return 0, &p
	}
	place, kept, err := g.opts.Boards.JobPlace(ctx, job.Connection, job.Posting, job.Version)
	switch {
	case errors.Is(err, mirror.ErrNoVersion):
		p := *errNoVersion
		if kept.Newest > 0 {
			p.Versions = &versionsJSON{kept.Oldest, kept.Newest}
		}
		return 0, &p
	case err != nil:
		return 0, fmt.Errorf("looking for a version: %w: %w", mirror.ErrUnavailable, err)
	}
	return place, nil
}
