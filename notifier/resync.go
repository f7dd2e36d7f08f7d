package notifier

import (
	"context"
	"errors"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// errMoved: somebody else, a relay that was paused past its lease perhaps, wrote while the stream was read.
var errMoved = errors.New("stream moved while it was read")

const (
	// rebuildAt is how often in a row a repair may end with another number of messages than was published before the stream
	// is emptied, since the server's own books are wrong: nats-server 2.15 goes on counting what a cut file no longer has,
	// and drops what is published in its place.
	rebuildAt = 2
	// believeAt is how often that may happen before the number is believed.
	believeAt = 4
)

// resync finds the relay's place in the stream. It runs at the beginning of a term, on a new connection and after any
// doubt about a publish. It deletes the outbox rows of events that the stream holds already, and repairs the stream
// where it lost messages; only then anything new is published.
func (r *relay) resync(ctx context.Context) error {
	r.metrics.resyncs.Inc()
	r.abandon()
	info, err := r.jobsInfo(ctx)
	if err != nil {
		return err
	}
	noted, err := r.Store.StreamState(ctx)
	first := errors.Is(err, mirror.ErrNotFound)
	if err != nil && !first {
		return r.storeError("reading the noted state of the stream", err)
	}
	tail, last, err := r.Bus.Tail(ctx, unnotedLimit)
	if err != nil {
		return r.busError("looking for the relay's place", err)
	}
	if last != info.LastSeq {
		return errMoved
	}
	e := r.expected(noted, first)
	kind, unsure := r.judge(e, info, tail)
	if kind != "" && kind != r.loss {
		r.report(ctx, kind, e, info)
	}
	if kind == lossTruncated {
		if err := r.setBoardsBack(ctx, last); err != nil {
			return err
		}
	}
	r.compare = r.compare || unsure
	if !r.created.Equal(info.Created) {
		r.recent.forget()
	}
	r.created, r.last = info.Created, last
	clear(r.doubted)
	before := r.census
	if r.compare {
		r.census = nil // until it is counted anew
	}
	if err := r.settle(ctx, tail, noted); err != nil {
		return err
	}
	if r.compare {
		if err := r.compareAll(ctx, before); err != nil {
			return err
		}
	}
	return r.startFrom(ctx)
}

// setBoardsBack removes the consumers of boards that would pass over what is published next; their keeper makes them anew.
func (r *relay) setBoardsBack(ctx context.Context, last uint64) error {
	past, err := r.Bus.DropBoardsPast(ctx, last)
	if err != nil {
		return r.busError("setting boards back", err)
	}
	if len(past) > 0 {
		r.Logger.WarnContext(ctx, "consumers of boards stood behind the stream's end and are made anew", "consumers", past)
	}
	return nil
}

// settle deletes the outbox rows of events that the stream holds.
func (r *relay) settle(ctx context.Context, tail []bus.Entry, noted mirror.StreamState) error {
	seqs := make(map[string]uint64, len(tail))
	ids := make([]string, 0, len(tail))
	for _, e := range tail {
		seqs[e.ID] = e.Seq
		ids = append(ids, e.ID)
	}
	waiting, err := r.Store.Waiting(ctx, ids)
	if err != nil {
		return r.storeError("looking into the outbox for what the stream holds", err)
	}
	ps := make([]mirror.Published, 0, len(waiting))
	for _, o := range waiting {
		ps = append(ps, mirror.Published{Outgoing: o, Seq: seqs[o.EventID]})
	}
	r.told = noted
	if len(ps) == 0 && noted.LastSeq == r.last && noted.CreatedAt.Equal(r.created) {
		return nil
	}
	return r.note(ctx, ps)
}

// startFrom takes the stream's present state as the one to measure later ones by.
func (r *relay) startFrom(ctx context.Context) error {
	info, err := r.jobsInfo(ctx)
	if err != nil {
		return err
	}
	if info.LastSeq != r.last || !info.Created.Equal(r.created) {
		return errMoved
	}
	if !r.census.holds(info) {
		r.compare = true
		if r.unexplained++; r.unexplained < believeAt {
			return errMoved
		}
		r.Logger.ErrorContext(ctx, "stream holds another number of messages than can be read", "stream", bus.StreamJobs,
			"messages", info.Messages, "expected", r.census.total, "subjects", info.Subjects)
		r.census.total = info.Messages
	}
	r.compare, r.unexplained, r.loss = false, 0, ""
	if r.told != r.state() {
		if err := r.note(ctx, nil); err != nil {
			return err
		}
	}
	r.audited = info.LastSeq
	r.nextAudit = time.Now().Add(r.AuditEvery)
	r.synced = true
	return nil
}

// jobsInfo asks for the stream's state, after creating it where it is gone, and after giving it its shape back where
// somebody changed it.
func (r *relay) jobsInfo(ctx context.Context) (bus.StreamState, error) {
	info, err := r.streamInfo(ctx, r.Bus.JobsInfo)
	if err != nil {
		return bus.StreamState{}, r.busError("auditing the stream", err)
	}
	if !info.Misshapen || r.misshapen {
		r.misshapen = info.Misshapen
		return info, nil
	}
	if err := r.Bus.EnsureJobs(ctx); err != nil {
		// Said once; meanwhile the relay does what it can.
		r.misshapen = true
		r.Logger.ErrorContext(ctx, "stream has another shape than it should", "stream", bus.StreamJobs, "error", err)
		return info, nil
	}
	r.Logger.WarnContext(ctx, "stream had another shape and has its own again", "stream", bus.StreamJobs)
	if info, err = r.Bus.JobsInfo(ctx); err != nil {
		return bus.StreamState{}, r.busError("auditing the stream", err)
	}
	return info, nil
}

// audit looks whether the stream is still the one that the relay knows, to the last message. It costs one small request.
func (r *relay) audit(ctx context.Context) error {
	info, err := r.jobsInfo(ctx)
	if err != nil {
		r.synced = false
		return err
	}
	r.nextAudit = time.Now().Add(r.AuditEvery)
	if !info.Created.Equal(r.created) || info.LastSeq != r.last || !r.census.holds(info) {
		r.synced = false // resync finds out what happened
		return nil
	}
	r.audited = info.LastSeq
	return nil
}

// state is what is noted of the stream; the number of messages is left out while it is not counted.
func (r *relay) state() mirror.StreamState {
	s := mirror.StreamState{CreatedAt: r.created, LastSeq: r.last}
	if r.census != nil {
		s.Messages = r.census.total
	}
	return s
}
