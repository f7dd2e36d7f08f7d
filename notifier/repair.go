package notifier

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// historyChunk is of how many jobs the history is read at once.
const historyChunk = 250

// repairing is what was done about the findings of a comparison.
type repairing struct {
	*comparison
	batch *batch
	// published counts events, dropped the subjects that lost what lay before a gap, or all.
	published, dropped int
	stuck              map[string]bool
}

// repair makes the stream hold, of each job and connection, what it must. Events in the outbox follow by themselves.
//
// A gap in the middle cannot be filled, since a stream only grows at its end. There the older messages are removed, so
// that each job's versions rise by one from the oldest one kept. That one may be any version: a job that opened again
// after it had left the stream begins with its next. A subject into which somebody else wrote begins anew, with the same
// events. Where a version is taken by an event that Postgres does not know, or is above its own, boards may have seen it:
// the job's present state is published again with a version above that one.
func (c *comparison) repair(ctx context.Context, strangers map[string]bool) error {
	p := &repairing{comparison: c, batch: newBatch(bus.MaxBatch), stuck: map[string]bool{}}
	err := p.act(ctx, strangers)
	if p.kind() != "" || p.loss != "" {
		c.Logger.WarnContext(ctx, "stream repaired from the log", "stream", bus.StreamJobs, "kind", c.loss,
			"complete", err == nil, "events", p.published, "subjects", len(p.places), "subjects_missing", p.missing,
			"subjects_behind", p.behind, "subjects_with_gaps", p.gaps, "subjects_foreign", p.foreign,
			"subjects_ahead", p.ahead, "subjects_unknown", p.unknown, "messages_unreadable", p.unreadable,
			"lost_from_seq", p.from, "lost_to_seq", p.to)
	}
	return err
}

func (p *repairing) act(ctx context.Context, strangers map[string]bool) error {
	anew := len(strangers) > 0 || len(p.raise) > 0
	if anew {
		// Before the stream forgets why, in case that this process ends here.
		if err := p.replayBoards(ctx); err != nil {
			return err
		}
	}
	if err := p.outbid(ctx); err != nil {
		return err
	}
	if err := p.clean(ctx, strangers); err != nil {
		return err
	}
	if anew {
		// Once more, since a board may have begun anew with what is gone only now.
		if err := p.replayBoards(ctx); err != nil {
			return err
		}
	}
	p.count()
	return p.publishMissing(ctx)
}

// clean removes what may not stay.
func (p *repairing) clean(ctx context.Context, strangers map[string]bool) error {
	for subject, place := range p.places {
		if place.Hole == 0 || p.spoiled[subject] {
			continue
		}
		if err := p.drop(ctx, subject, place.Hole); err != nil {
			return err
		}
		place.Kept = place.Whole
		p.places[subject] = place
	}
	for _, subjects := range []iter.Seq[string]{maps.Keys(p.spoiled), maps.Keys(strangers), slices.Values(p.odd)} {
		for subject := range subjects {
			if err := p.drop(ctx, subject, p.last+1); err != nil {
				return err
			}
			delete(p.places, subject)
		}
	}
	return nil
}

// outbid has Postgres give versions above those that the stream shows, and removes what it shows: no event may stand
// behind one that the database does not know.
func (p *repairing) outbid(ctx context.Context) error {
	if len(p.raise) == 0 {
		return nil
	}
	if err := p.Store.Raise(ctx, p.raise); err != nil {
		return p.storeError("raising versions", err)
	}
	for _, place := range p.raise {
		p.spoiled[place.Subject()] = true
	}
	return nil
}

// count takes what is left in the stream as what it must hold.
func (p *repairing) count() {
	p.census = newCensus(len(p.places))
	for subject, place := range p.places {
		p.census.set(subject, place.Kept, place.Seq)
	}
}

// drop removes the messages of a subject below a sequence.
func (p *repairing) drop(ctx context.Context, subject string, before uint64) error {
	if p.census == nil {
		if err := p.uncount(ctx); err != nil {
			return err
		}
	}
	if err := p.Bus.DropBefore(ctx, subject, before); err != nil {
		return p.busError("closing a gap", err)
	}
	p.dropped++
	p.metrics.dropped.Inc()
	return nil
}

func (p *repairing) publishMissing(ctx context.Context) error {
	slices.SortFunc(p.short, func(a, b mirror.Place) int { return strings.Compare(a.Subject(), b.Subject()) })
	for some := range slices.Chunk(p.short, historyChunk) {
		history, err := p.Store.History(ctx, some, bus.KeptPerSubject)
		if err != nil {
			return p.storeError("reading the log", err)
		}
		for _, o := range p.messages(history) {
			if err := p.publishIfMissing(ctx, o); err != nil {
				return err
			}
		}
	}
	return p.flush(ctx)
}

func (p *repairing) publishIfMissing(ctx context.Context, o outgoing) error {
	subject := o.message.Subject
	place := p.places[subject]
	if o.Version <= place.Version || p.stuck[subject] {
		return nil
	}
	if place.Version > 0 && o.Version != place.Version+1 {
		// The log no longer has what comes next: begin the subject anew.
		if err := p.flush(ctx); err != nil {
			return err
		}
		if err := p.drop(ctx, subject, p.last+1); err != nil {
			return err
		}
		p.census.set(subject, 0, 0)
	}
	if !p.publishable(ctx, o) {
		p.stuck[subject] = true
		return nil
	}
	if !p.batch.add(o) {
		if err := p.flush(ctx); err != nil {
			return err
		}
		p.batch.add(o)
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
