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

// resync finds the relay's place in the stream. It runs at the beginning of a term, on a new connection and after any
// doubt about a publish. It deletes the outbox rows of events that the stream holds already, and repairs the stream
// where it lost messages; only then anything new is published.
func (r *relay) resync(ctx context.Context) error {
	r.metrics.resyncs.Inc()
	info, err := r.jobsInfo(ctx)
	if err != nil {
		return err
	}
	noted, err := r.Store.StreamState(ctx)
	first := errors.Is(err, mirror.ErrNotFound)
	if err != nil && !first {
		return r.storeError("reading the noted state of the stream", err)
	}
	tail, last, err := r.Bus.Tail(ctx, bus.MaxBatch)
	if err != nil {
		return r.busError("looking for the relay's place", err)
	}
	lost := info.Messages < r.messages ||
		!first && (!info.Created.Equal(noted.CreatedAt) || last < noted.LastSeq)
	if lost {
		r.Logger.WarnContext(ctx, "stream lost messages, repairing it", "stream", bus.StreamJobs,
			"noted_seq", noted.LastSeq, "last_seq", last, "noted_created", noted.CreatedAt, "created", info.Created)
		r.metrics.repairs.Inc()
		r.compare = true
		r.messages = 0 // one loss is reported once
	}
	r.created, r.last = info.Created, last
	r.there = make(map[string]uint64, len(tail))
	unnoted := 0
	for _, e := range tail {
		r.there[e.ID] = e.Seq
		if lost || first || e.Seq > noted.LastSeq {
			unnoted++
		}
	}
	if unnoted > 0 || first || lost {
		if err := r.settleAll(ctx, unnoted, !lost); err != nil {
			return err
		}
	}
	if r.compare {
		if err := r.repair(ctx); err != nil {
			return err
		}
		r.compare = false
	}
	return r.startFrom(ctx)
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
	r.messages = info.Messages
	r.nextAudit = time.Now().Add(r.AuditEvery)
	r.synced = true
	return nil
}

// jobsInfo asks for the stream's state, after creating it where it is gone.
func (r *relay) jobsInfo(ctx context.Context) (bus.StreamState, error) {
	info, err := r.streamInfo(ctx, r.Bus.JobsInfo)
	if err != nil {
		return bus.StreamState{}, r.busError("auditing the stream", err)
	}
	return info, nil
}

// settleAll deletes the outbox rows of events that the stream holds, and notes the stream's state. The rows of the last
// batch were the first of the outbox when it was made, but transactions that took their ids earlier may have committed
// since, so that it looks further until it found unnoted rows. Where that number can be wrong, after a loss, it looks
// once; r.there still keeps every event of the stream's end from being published again.
func (r *relay) settleAll(ctx context.Context, unnoted int, further bool) error {
	for limit := bus.MaxBatch; ; limit *= 4 {
		rows, err := r.Store.Pending(ctx, limit)
		if err != nil {
			return r.storeError("reading the outbox", err)
		}
		var ps []mirror.Published
		for _, o := range rows {
			if seq := r.there[o.EventID]; seq > 0 {
				ps = append(ps, mirror.Published{Outgoing: o, Seq: seq})
			}
		}
		if len(ps) >= unnoted || len(rows) < limit || !further {
			return r.note(ctx, ps)
		}
	}
}

// audit looks whether the stream is still the one that the relay knows. It costs one small request.
func (r *relay) audit(ctx context.Context) error {
	info, err := r.jobsInfo(ctx)
	if err != nil {
		r.synced = false
		return err
	}
	r.nextAudit = time.Now().Add(r.AuditEvery)
	if !info.Created.Equal(r.created) || info.LastSeq != r.last || info.Messages < r.messages {
		r.synced = false // resync finds out what happened
		return nil
	}
	r.messages = info.Messages
	return nil
}
