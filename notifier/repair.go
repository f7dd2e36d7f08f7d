package notifier

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// logPage is how many events are read from the log at once.
const logPage = 500

// repair compares each subject's last version in the stream with the log, and publishes again what the stream lost.
// Events in the outbox are no part of the log here; they follow by themselves.
//
// A gap in the middle cannot be filled, since a stream only grows at its end. There the older messages are removed, so
// that each job's versions rise by one from the oldest one kept. That one may be any version: a job that opened again
// after it had left the stream begins with its next.
func (r *relay) repair(ctx context.Context) error {
	places, last, err := r.Bus.LastVersions(ctx)
	if err != nil {
		return r.busError("comparing the stream with the log", err)
	}
	if last != r.last {
		return errMoved
	}
	p := &repairing{relay: r, places: places, batch: newBatch(bus.MaxBatch)}
	if err := p.closeHoles(ctx); err != nil {
		return err
	}
	missing, err := p.anyMissing(ctx)
	if err != nil {
		return err
	}
	if err := p.noteUnlogged(ctx); err != nil {
		return err
	}
	if missing {
		err = p.publishMissing(ctx)
	}
	if p.published > 0 || p.dropped > 0 || p.ahead > 0 {
		r.Logger.WarnContext(ctx, "stream repaired from the log", "stream", bus.StreamJobs, "complete", err == nil,
			"events", p.published, "subjects_with_gaps", p.dropped, "subjects_ahead_of_log", p.ahead)
	}
	return err
}

type repairing struct {
	*relay
	// places is where each subject stands, or will once the batch is published.
	places map[string]bus.Place
	batch  *batch
	// published counts events, dropped the subjects whose history before a gap was removed, ahead the subjects that hold
	// a version the log does not know: Postgres itself was set back.
	published, dropped, ahead int
	stuck                     map[string]bool
	// logged are the subjects of which the log has something.
	logged map[string]bool
}

func (p *repairing) closeHoles(ctx context.Context) error {
	for subject, place := range p.places {
		if place.Hole == 0 {
			continue
		}
		if err := p.drop(ctx, subject, place.Hole); err != nil {
			return err
		}
	}
	return nil
}

func (p *repairing) drop(ctx context.Context, subject string, before uint64) error {
	if err := p.Bus.DropBefore(ctx, subject, before); err != nil {
		return p.busError("closing a gap", err)
	}
	p.dropped++
	p.metrics.dropped.Inc()
	return nil
}

// anyMissing looks at the latest version of each subject alone: after an ordinary start nothing is missing, and no more
// need be read.
func (p *repairing) anyMissing(ctx context.Context) (bool, error) {
	missing := false
	p.logged = map[string]bool{}
	err := p.eachLogged(ctx, 1, func(o mirror.Outgoing) error {
		p.logged[o.Subject()] = true
		switch last := p.places[o.Subject()].Version; {
		case o.Version > last:
			missing = true
		case o.Version < last:
			p.ahead++
		}
		return nil
	})
	return missing, err
}

// noteUnlogged tells the store of jobs that are in the stream though the log has nothing of them. Those that were closed
// long ago had left the stream and came back with an older copy of it, possibly as open jobs; known to be there, they
// expire again.
func (p *repairing) noteUnlogged(ctx context.Context) error {
	var found []mirror.Place
	for subject, place := range p.places {
		connection, posting, ok := bus.ParseJobSubject(subject)
		if ok && !p.logged[subject] {
			found = append(found, mirror.Place{
				Connection: connection, Posting: posting, Version: place.Version, Seq: place.Seq,
			})
		}
	}
	if len(found) == 0 {
		return nil
	}
	if err := p.Store.Found(ctx, found); err != nil {
		return p.storeError("noting jobs that the log has nothing of", err)
	}
	p.nextExpiry = time.Time{}
	return nil
}

func (p *repairing) publishMissing(ctx context.Context) error {
	p.stuck = map[string]bool{}
	err := p.eachLogged(ctx, bus.KeptPerSubject, func(o mirror.Outgoing) error { return p.publishIfMissing(ctx, o) })
	if err != nil {
		return err
	}
	return p.flush(ctx)
}

func (p *repairing) publishIfMissing(ctx context.Context, o mirror.Outgoing) error {
	subject := o.Subject()
	place := p.places[subject]
	if o.Version <= place.Version || p.stuck[subject] {
		return nil
	}
	if place.Version > 0 && o.Version != place.Version+1 {
		// The log no longer has what comes next: begin the subject anew.
		if err := p.flush(ctx); err != nil {
			return err
		}
		if err := p.drop(ctx, subject, 0); err != nil {
			return err
		}
	}
	m, e, ok := p.encode(ctx, o)
	if !ok {
		p.stuck[subject] = true
		return nil
	}
	if !p.batch.add(o, e, m) {
		if err := p.flush(ctx); err != nil {
			return err
		}
		p.batch.add(o, e, m)
	}
	p.places[subject] = bus.Place{Version: o.Version}
	return nil
}

// flush publishes the batch under the same fence as new events, and notes where its events lie.
func (p *repairing) flush(ctx context.Context) error {
	b := p.batch
	p.batch = newBatch(bus.MaxBatch)
	if len(b.msgs) == 0 {
		return nil
	}
	before := p.last
	if err := p.send(ctx, b); err != nil {
		return err
	}
	p.published += len(b.msgs)
	p.metrics.repaired.Add(float64(len(b.msgs)))
	return p.note(ctx, b.placed(before))
}

func (p *repairing) eachLogged(ctx context.Context, keep int, visit func(mirror.Outgoing) error) error {
	cursor := ""
	for {
		page, next, err := p.Store.Logged(ctx, cursor, keep, logPage)
		if err != nil {
			return p.storeError("reading the log", err)
		}
		for _, o := range page {
			if err := visit(o); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}
