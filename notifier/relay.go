package notifier

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// heldIdle is the pause while nothing but held events is there: they are read again at each look.
const heldIdle = time.Second

// relay is one term of relaying: from gaining the lease to losing it. It belongs to one goroutine; what runs beside it
// only talks to the store, and hands its result over when it is asked for.
type relay struct {
	*Notifier
	wake   <-chan struct{}
	beside sync.WaitGroup

	// synced says that created, last and census are the stream's, as far as anybody knows; else resync finds them.
	synced bool
	// compare says that all of the stream is to be compared with Postgres before anything is published: at the beginning
	// of a term, on a new connection, and after a loss or a doubt until the repair succeeded.
	compare bool
	// generation is the connection on which resync was done.
	generation uint64
	created    time.Time
	last       uint64
	// census is how many messages the stream must hold; nil while that is not known.
	census                             *census
	nextAudit, nextExpiry, nextCompare time.Time
	lastCompare                        time.Time
	// audited is where the stream ended when its number of messages was last found right, or with its first batch.
	audited uint64
	// loss is the kind of damage that is being repaired, "" for none.
	loss string
	// unexplained counts readings after which the server still counted otherwise.
	unexplained int
	// told is the state of the stream that the store was last told of.
	told mirror.StreamState
	// misshapen says that the stream has another shape, and that the server refused to change it.
	misshapen bool

	// noting is the batch that the store is being told of, owed what it could not be told of.
	noting *noting
	owed   []mirror.Published
	// upcoming is what is read of the outbox while a batch is published.
	upcoming *reading
	// doubted are the ids of a batch of which nobody knows whether the server took it.
	doubted map[string]bool

	// limit is the size of batches; 1 while looking for the one message that the server refuses.
	limit int
	// refused are events that cannot be published, by id: false for those that may be tried again at any time, true for
	// those that the server refused on this connection.
	refused map[string]bool
	// heldRows is how many rows the last look at the outbox left there on purpose.
	heldRows int
}

func newRelay(n *Notifier, wake <-chan struct{}) *relay {
	return &relay{
		Notifier: n, wake: wake, compare: true, limit: bus.MaxBatch, refused: map[string]bool{}, doubted: map[string]bool{},
	}
}

// run works until ctx ends.
func (r *relay) run(ctx context.Context) {
	defer r.metrics.showNothing()
	defer r.beside.Wait()
	r.attend(ctx, r.wake, r.runOnce)
}

// runOnce does what is due and returns how long there is nothing more to do, unless woken.
func (r *relay) runOnce(ctx context.Context) (time.Duration, error) {
	if !r.Bus.Connected() {
		return 0, r.awaitBus(ctx)
	}
	if err := r.sync(ctx); err != nil {
		return 0, err
	}
	if err := r.payOwed(ctx); err != nil {
		return 0, err
	}
	limit := bus.MaxBatch + r.heldRows
	rows, err := r.nextRows(ctx, limit)
	if err != nil {
		return 0, err
	}
	if err := r.relay(ctx, rows, len(rows) == limit); err != nil {
		return 0, err
	}
	r.limit = bus.MaxBatch
	if r.compareDue(len(rows) == 0) {
		r.synced, r.compare = false, true
		return 0, nil
	}
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

// compareDue says whether it is time to read the whole stream. It waits a little for a moment when nothing else waits.
func (r *relay) compareDue(idle bool) bool {
	late := time.Since(r.nextCompare)
	return late >= 0 && (idle || late >= r.AuditEvery)
}

// sync makes sure that the relay knows where the stream stands.
func (r *relay) sync(ctx context.Context) error {
	generation := r.Bus.Generation()
	if r.generation != generation {
		r.synced = false
		// The server may have been restarted, and only then have found what its files lost; it does not tell. On a network
		// that flickers, the whole stream is not read each time.
		r.compare = r.compare || time.Since(r.lastCompare) >= r.AuditEvery
		if !r.compare {
			r.nextCompare = r.lastCompare.Add(r.AuditEvery)
		}
		clear(r.refused) // another server, or another configuration, may take them
	}
	if r.synced && !time.Now().Before(r.nextAudit) {
		if err := r.audit(ctx); err != nil {
			return err
		}
	}
	if r.synced {
		return nil
	}
	if err := r.resync(ctx); err != nil {
		return err
	}
	r.generation = generation
	return nil
}

// awaitBus waits for NATS to come back; meanwhile the outbox's age is shown.
func (r *relay) awaitBus(ctx context.Context) error {
	r.synced = false
	r.abandon()
	if _, err := r.pending(ctx, nil, 1); err != nil {
		return err
	}
	r.pauseForBus(ctx)
	return nil
}

func (r *relay) pending(ctx context.Context, except []int64, limit int) ([]mirror.Outgoing, error) {
	rows, err := r.Store.Pending(ctx, except, limit)
	if err != nil {
		return nil, r.storeError("reading the outbox", err)
	}
	r.metrics.showOutbox(rows, r.Now())
	return rows, nil
}

// relay publishes rows. Where there are more behind them, those are read while the last batch is published.
func (r *relay) relay(ctx context.Context, rows []outgoing, more bool) error {
	batches, taken := r.batches(ctx, rows)
	for i, b := range batches {
		if more && i == len(batches)-1 {
			r.readAhead(ctx, taken)
		}
		if err := r.publish(ctx, b); err != nil {
			r.forgetUpcoming() // what it left out may not be published
			return err
		}
	}
	return nil
}

// batches divides rows into batches, and returns the ids of the rows in them. The others are held.
func (r *relay) batches(ctx context.Context, rows []outgoing) (batches []*batch, taken []int64) {
	heldSubjects := map[string]bool{}
	r.heldRows = 0
	for _, o := range rows {
		subject := o.message.Subject
		if heldSubjects[subject] || !r.publishable(ctx, o) {
			heldSubjects[subject] = true
			r.heldRows++
			continue
		}
		taken = append(taken, o.OutboxID)
		if n := len(batches); n == 0 || !batches[n-1].add(o) {
			b := newBatch(r.limit)
			b.add(o)
			batches = append(batches, b)
		}
	}
	r.metrics.held.Set(float64(r.heldRows))
	return batches, taken
}

// publishable returns false for an event that cannot be published: too large for the server, or malformed. Such an event
// stays in the outbox, with later ones of its job behind it so that their order holds, while all others pass. It goes
// out when the server takes it, for example after its max_payload was raised.
func (r *relay) publishable(ctx context.Context, o outgoing) bool {
	err := o.fault
	if err == nil && !r.Bus.Fits(o.message) {
		err = bus.ErrTooLarge
	}
	if err == nil {
		return !r.refused[o.EventID]
	}
	if _, known := r.refused[o.EventID]; !known {
		r.refused[o.EventID] = false
		r.logRefused(ctx, o.Outgoing, len(o.message.Data), err)
	}
	return false
}

func (r *relay) logRefused(ctx context.Context, o mirror.Outgoing, size int, err error) {
	r.Logger.ErrorContext(ctx, "event cannot be published; it and later ones of its job wait",
		"event", o.EventID, "connection", o.Connection, "posting", o.Posting, "bytes", size, "error", err)
}

func (r *relay) storeError(doing string, err error) error {
	r.metrics.failures.WithLabelValues(failureStore).Inc()
	return fmt.Errorf("%s: %w", doing, err)
}

func (r *relay) busError(doing string, err error) error {
	r.metrics.failures.WithLabelValues(failureBus).Inc()
	return fmt.Errorf("%s: %w", doing, err)
}
