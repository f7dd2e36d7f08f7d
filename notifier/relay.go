package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// heldIdle is the pause while nothing but held events is there: they are read again at each look.
const heldIdle = time.Second

// relay is one term of relaying: from gaining the lease to losing it. It belongs to one goroutine.
type relay struct {
	*Notifier
	wake <-chan struct{}

	// synced says that created and last are the stream's, as far as anybody knows; else resync finds them.
	synced bool
	// compare says that every subject of the stream is to be compared with the log: at the beginning of a term, and
	// after a loss until the repair succeeded.
	compare bool
	// generation is the connection on which resync was done.
	generation uint64
	created    time.Time
	last       uint64
	// messages is how many messages the stream held at the last look; it never falls by itself.
	messages   uint64
	nextAudit  time.Time
	nextExpiry time.Time

	// there are events known to be in the stream whose outbox rows may not be deleted yet, with their sequences.
	there map[string]uint64
	// limit is the size of batches; 1 while looking for the one message that the server refuses.
	limit int
	// refused are events that cannot be published, by id: false for those that may be tried again at any time, true for
	// those that the server refused on this connection.
	refused map[string]bool
	// heldRows is how many rows the last look at the outbox left there on purpose.
	heldRows int
}

func newRelay(n *Notifier, wake <-chan struct{}) *relay {
	return &relay{Notifier: n, wake: wake, compare: true, limit: bus.MaxBatch, refused: map[string]bool{}}
}

// run works until ctx ends.
func (r *relay) run(ctx context.Context) {
	defer r.metrics.showOutbox(nil, time.Time{})
	r.attend(ctx, r.wake, r.runOnce)
}

// runOnce does what is due and returns how long there is nothing more to do, unless woken.
func (r *relay) runOnce(ctx context.Context) (time.Duration, error) {
	if !r.Bus.Connected() {
		return 0, r.awaitBus(ctx)
	}
	generation := r.Bus.Generation()
	if r.generation != generation {
		r.synced = false
		clear(r.refused) // another server, or another configuration, may take them
	}
	if r.synced && !time.Now().Before(r.nextAudit) {
		if err := r.audit(ctx); err != nil {
			return 0, err
		}
	}
	if !r.synced {
		if err := r.resync(ctx); err != nil {
			return 0, err
		}
		r.generation = generation
	}
	limit := bus.MaxBatch + r.heldRows
	rows, err := r.pending(ctx, limit)
	if err != nil {
		return 0, err
	}
	if err := r.relay(ctx, rows); err != nil {
		return 0, err
	}
	r.limit = bus.MaxBatch
	if len(rows) == limit {
		return 0, nil
	}
	if r.expiryDue() {
		r.expire(ctx)
	}
	switch {
	case r.expiryDue():
		return 0, nil
	case r.heldRows > 0:
		return max(r.Idle, heldIdle), nil
	}
	return r.Idle, nil
}

// awaitBus waits for NATS to come back; meanwhile the outbox's age is shown.
func (r *relay) awaitBus(ctx context.Context) error {
	r.synced = false
	if _, err := r.pending(ctx, 1); err != nil {
		return err
	}
	r.pauseForBus(ctx)
	return nil
}

func (r *relay) pending(ctx context.Context, limit int) ([]mirror.Outgoing, error) {
	rows, err := r.Store.Pending(ctx, limit)
	if err != nil {
		return nil, r.storeError("reading the outbox", err)
	}
	r.metrics.showOutbox(rows, r.Now())
	return rows, nil
}

// relay publishes rows that are not in the stream yet. Before it publishes a batch, the one before is noted in the
// store: at any time no more than one batch can be in the stream and in the outbox too.
func (r *relay) relay(ctx context.Context, rows []mirror.Outgoing) error {
	if err := r.settle(ctx, rows); err != nil {
		return err
	}
	b := newBatch(r.limit)
	heldSubjects := map[string]bool{}
	r.heldRows = 0
	for _, o := range rows {
		if r.there[o.EventID] > 0 {
			continue // settled above
		}
		var m bus.Msg
		var e events.Event
		ok := !heldSubjects[o.Subject()]
		if ok {
			m, e, ok = r.encode(ctx, o)
		}
		if !ok {
			heldSubjects[o.Subject()] = true
			r.heldRows++
			continue
		}
		if b.add(o, e, m) {
			continue
		}
		if err := r.publish(ctx, b); err != nil {
			return err
		}
		b = newBatch(r.limit)
		b.add(o, e, m)
	}
	r.metrics.held.Set(float64(r.heldRows))
	return r.publish(ctx, b)
}

// encode returns false for an event that cannot be published: too large for the server, or malformed. Such an event
// stays in the outbox, with later ones of its job behind it so that their order holds, while all others pass. It goes
// out when the server takes it, for example after its max_payload was raised.
func (r *relay) encode(ctx context.Context, o mirror.Outgoing) (m bus.Msg, e events.Event, ok bool) {
	m, e, err := message(o, r.Now())
	if err == nil && !r.Bus.Fits(m) {
		err = bus.ErrTooLarge
	}
	if err == nil {
		return m, e, !r.refused[o.EventID]
	}
	if _, known := r.refused[o.EventID]; !known {
		r.refused[o.EventID] = false
		r.logRefused(ctx, o, len(m.Data), err)
	}
	return m, e, false
}

func (r *relay) logRefused(ctx context.Context, o mirror.Outgoing, size int, err error) {
	r.Logger.ErrorContext(ctx, "event cannot be published; it and later ones of its job wait",
		"event", o.EventID, "connection", o.Connection, "posting", o.Posting, "bytes", size, "error", err)
}

// publish sends a batch, then notes in the store what the server took.
func (r *relay) publish(ctx context.Context, b *batch) error {
	if len(b.msgs) == 0 {
		return nil
	}
	if err := r.send(ctx, b); err != nil {
		return err
	}
	ps := b.placed(r.last - uint64(len(b.msgs)))
	now := r.Now()
	for i, p := range ps {
		r.there[p.EventID] = p.Seq
		r.metrics.countPublished(p.Outgoing, now)
		r.OnPublished(b.events[i], p.Outgoing)
	}
	return r.note(ctx, ps)
}

// send publishes a batch at the stream's end. After any error but a refusal of the server, the stream must be read
// before anything is sent again.
func (r *relay) send(ctx context.Context, b *batch) error {
	last, err := r.Bus.PublishBatch(ctx, b.msgs, r.last)
	if err == nil {
		r.last = last
		return nil
	}
	r.synced = false
	if errors.Is(err, bus.ErrTooLarge) {
		// The server takes less than it says. Find out which message it is by sending them one by one.
		r.limit = 1
		if len(b.msgs) == 1 {
			r.refused[b.rows[0].EventID] = true
			r.logRefused(ctx, b.rows[0], len(b.msgs[0].Data), err)
		}
	}
	r.metrics.failures.WithLabelValues(failureBus).Inc()
	return err
}

// settle deletes the outbox rows of events that are in the stream.
func (r *relay) settle(ctx context.Context, rows []mirror.Outgoing) error {
	var ps []mirror.Published
	for _, o := range rows {
		if seq := r.there[o.EventID]; seq > 0 {
			ps = append(ps, mirror.Published{Outgoing: o, Seq: seq})
		}
	}
	if len(ps) == 0 {
		return nil
	}
	return r.note(ctx, ps)
}

// note records what the stream holds. Should it fail, the events stay in r.there and are not published again.
func (r *relay) note(ctx context.Context, ps []mirror.Published) error {
	s := mirror.StreamState{CreatedAt: r.created, LastSeq: r.last}
	if err := r.Store.Published(ctx, ps, s); err != nil {
		return r.storeError("noting what was published", err)
	}
	for _, p := range ps {
		delete(r.there, p.EventID)
	}
	if len(ps) > 0 {
		r.Bus.WakeWebhooks()
	}
	return nil
}

func (r *relay) storeError(doing string, err error) error {
	r.metrics.failures.WithLabelValues(failureStore).Inc()
	return fmt.Errorf("%s: %w", doing, err)
}

func (r *relay) busError(doing string, err error) error {
	r.metrics.failures.WithLabelValues(failureBus).Inc()
	return fmt.Errorf("%s: %w", doing, err)
}
