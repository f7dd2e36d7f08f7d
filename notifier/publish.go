package notifier

import (
	"context"
	"errors"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// unnotedLimit is how many events can be in the stream and in the outbox too, at any time and after any crash: while one
// batch is published, the store is being told of the one before. Together they hold no more of one subject than the
// stream keeps, so that the stream's last unnotedLimit sequences show all of them.
const unnotedLimit = 2 * bus.MaxBatch

// noting is a batch that the stream holds, and of which the store is being told beside the relay's work.
type noting struct {
	batch *batch
	ps    []mirror.Published
	done  chan error
}

// reading is a look into the outbox beside the relay's work.
type reading struct {
	rows []outgoing
	err  error
	done chan struct{}
}

// outgoing is a row of the outbox with its message.
type outgoing struct {
	mirror.Outgoing
	event   events.Event
	head    head
	message bus.Msg
	// fault is why it cannot be a message.
	fault error
}

// publish sends a batch and has the store told of it, which goes on when publish returns.
func (r *relay) publish(ctx context.Context, b *batch) error {
	if r.noting != nil && b.crowds(r.noting.batch) {
		if err := r.noted(); err != nil {
			return err
		}
	}
	r.recent.expect(r.last, b)
	if err := r.send(ctx, b); err != nil {
		return err
	}
	ps := b.placed(r.last - uint64(len(b.msgs)))
	now := r.Now()
	for i, p := range ps {
		r.OnPublished(b.events[i], p.Outgoing)
	}
	if err := r.noted(); err != nil {
		r.owed = append(r.owed, ps...)
		return err
	}
	n := &noting{batch: b, ps: ps, done: make(chan error, 1)}
	s := r.state()
	r.told = s
	r.beside.Go(func() {
		err := r.Store.Published(ctx, ps, s)
		if err == nil {
			r.Bus.WakeWebhooks()
		}
		for i, p := range ps {
			r.metrics.countPublished(p.Outgoing, b.heads[i], r.Connections.Value(p.Connection), now)
		}
		n.done <- err
	})
	r.noting = n
	return nil
}

// send publishes a batch at the stream's end. After any error but a refusal of the server, the stream must be read
// before anything is sent again.
func (r *relay) send(ctx context.Context, b *batch) error {
	last, err := r.Bus.PublishBatch(ctx, b.msgs, r.last)
	if err == nil {
		for i, m := range b.msgs {
			r.census.add(m.Subject, r.last+1+uint64(i))
		}
		r.last = last
		if r.audited == 0 {
			r.audited = last
		}
		return nil
	}
	r.synced = false
	r.metrics.failures.WithLabelValues(failureBus).Inc()
	switch {
	case errors.Is(err, bus.ErrTooLarge):
		// The server takes less than it says. Find out which message it is by sending them one by one.
		r.limit = 1
		if len(b.msgs) == 1 {
			r.refused[b.rows[0].EventID] = true
			r.logRefused(ctx, b.rows[0], len(b.msgs[0].Data), err)
		}
	case errors.Is(err, bus.ErrUnknownOutcome):
		for _, m := range b.msgs {
			r.doubted[m.ID] = true
		}
		// On a connection that holds, a server that does not answer cannot read its own files.
		r.compare = r.compare || r.Bus.Connected() && r.Bus.Generation() == r.generation && ctx.Err() == nil
	case errors.Is(err, bus.ErrWrongLastSequence):
		r.compare = true
	}
	return err
}

// noted waits until the store has been told of the last batch. What it could not be told of is owed: nothing more is
// published before.
func (r *relay) noted() error {
	n := r.noting
	if n == nil {
		return nil
	}
	r.noting = nil
	if err := <-n.done; err != nil {
		r.owed = append(r.owed, n.ps...)
		return r.storeError("noting what was published", err)
	}
	return nil
}

// payOwed tells the store again what it could not be told of.
func (r *relay) payOwed(ctx context.Context) error {
	if r.noting != nil && len(r.noting.done) > 0 {
		if err := r.noted(); err != nil {
			return err
		}
	}
	if len(r.owed) == 0 {
		return nil
	}
	return r.note(ctx, r.owed)
}

// note tells the store at once what the stream holds.
func (r *relay) note(ctx context.Context, ps []mirror.Published) error {
	if err := r.Store.Published(ctx, ps, r.state()); err != nil {
		return r.storeError("noting what was published", err)
	}
	if len(ps) > 0 {
		r.Bus.WakeWebhooks()
	}
	r.owed, r.told = nil, r.state()
	return nil
}

// uncount has the store forget how many messages the stream held, before they become fewer on purpose: a crash in between
// must not look like a loss.
func (r *relay) uncount(ctx context.Context) error {
	r.census = nil
	if r.told.Messages == 0 {
		return nil
	}
	return r.note(ctx, nil)
}

// abandon ends what runs beside the relay. Of the events that the store may not have been told of, the stream's end will
// tell.
func (r *relay) abandon() {
	r.forgetUpcoming()
	_ = r.noted()
	r.owed = nil
}

func (r *relay) forgetUpcoming() {
	if r.upcoming != nil {
		<-r.upcoming.done
		r.upcoming = nil
	}
}

// nextRows returns what was read ahead, or looks into the outbox. Rows of a batch that the store is being told of are
// published already.
func (r *relay) nextRows(ctx context.Context, limit int) ([]outgoing, error) {
	if a := r.upcoming; a != nil {
		<-a.done
		r.upcoming = nil
		return a.rows, a.err
	}
	rows, err := r.pending(ctx, r.inFlight(), limit)
	return r.messages(rows), err
}

// readAhead looks into the outbox beside the relay's work, past what is about to be published.
//
// A version of a job that it returns never overtakes an earlier one: that one was committed before the later one's
// transaction began, with a smaller id, so that it was among the rows read before, or is among those read now.
func (r *relay) readAhead(ctx context.Context, taken []int64) {
	a := &reading{done: make(chan struct{})}
	except := append(r.inFlight(), taken...)
	limit := bus.MaxBatch + r.heldRows
	r.beside.Go(func() {
		defer close(a.done)
		var rows []mirror.Outgoing
		rows, a.err = r.pending(ctx, except, limit)
		a.rows = r.messages(rows)
	})
	r.upcoming = a
}

// messages makes the rows' messages.
func (r *relay) messages(rows []mirror.Outgoing) []outgoing {
	out := make([]outgoing, len(rows))
	now := r.Now()
	for i, row := range rows {
		out[i].Outgoing, out[i].head = row, headOf(row)
		out[i].message, out[i].event, out[i].fault = message(row, now)
	}
	return out
}

// inFlight are the outbox rows that are published and perhaps not deleted yet.
func (r *relay) inFlight() []int64 {
	if r.noting == nil {
		return nil
	}
	ids := make([]int64, 0, 2*bus.MaxBatch)
	for _, p := range r.noting.ps {
		ids = append(ids, p.OutboxID)
	}
	return ids
}
