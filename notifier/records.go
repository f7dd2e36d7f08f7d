package notifier

import (
	"context"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// recordPage is how many records are read at once. Each comes with its whole document.
	recordPage = 250
	// purgePage is how many purges are done before the outbox has its turn again.
	purgePage = 100
)

// recordRelay is one term of feeding RECORDS, beside the relay of events and under the same lease. It belongs to one
// goroutine.
//
// It publishes the present states that it reads, at the stream's end as it knew it before it read them: should another
// relay have published meanwhile, the server refuses, and it reads again. So a state never follows a newer one. Whatever
// goes wrong between a publish and the note of it leads to the same state once more, or to a newer one.
type recordRelay struct {
	*Notifier
	wake <-chan struct{}

	// synced says that created and last are the stream's, as far as anybody knows; else resync finds them.
	synced bool
	// generation is the connection on which resync was done.
	generation uint64
	created    time.Time
	last       uint64
	// messages is how many messages the stream held at the last look; it never falls but by purge.
	messages  uint64
	nextAudit time.Time
	// caughtUp is when no record was waiting.
	caughtUp time.Time
	// limit is the size of batches; 1 while looking for the one message that the server refuses.
	limit int
	// tooLarge are messages that the server refused for their size, by id.
	tooLarge map[string]bool
}

func newRecordRelay(n *Notifier, wake <-chan struct{}) *recordRelay {
	return &recordRelay{
		Notifier: n, wake: wake, caughtUp: n.Now(), limit: bus.MaxBatch, tooLarge: map[string]bool{},
	}
}

// runRecords works until ctx ends.
func (n *Notifier) runRecords(ctx context.Context, wake <-chan struct{}) {
	switch {
	case n.Records:
		r := newRecordRelay(n, wake)
		defer r.show(0)
		r.attend(ctx, wake, r.runOnce)
	case n.RecordStore != nil:
		n.attend(ctx, nil, n.emptyRecords)
	}
}

// runOnce does what is due and returns how long there is nothing more to do, unless woken.
func (r *recordRelay) runOnce(ctx context.Context) (time.Duration, error) {
	if !r.Bus.Connected() {
		return 0, r.awaitBus(ctx)
	}
	generation := r.Bus.Generation()
	if r.generation != generation {
		r.synced = false
		clear(r.tooLarge) // another server, or another configuration, may take them
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
	rows, err := r.pending(ctx, recordPage)
	if err != nil {
		return 0, err
	}
	// Purges are looked for after the rows were read. A row that was read before the purge of its kind is read again; one
	// that a kind wrote which was added again is not published before that purge.
	if purged, err := r.purgeAsked(ctx); purged || err != nil {
		return 0, err
	}
	if err := r.relay(ctx, rows); err != nil {
		return 0, err
	}
	r.limit = bus.MaxBatch
	if len(rows) == recordPage {
		return 0, nil
	}
	r.caughtUp = r.Now()
	if len(rows) > 0 {
		return r.RecordIdle / 5, nil
	}
	return r.RecordIdle, nil
}

// awaitBus waits for NATS to come back; meanwhile it is shown that records wait.
func (r *recordRelay) awaitBus(ctx context.Context) error {
	r.synced = false
	if _, err := r.pending(ctx, 1); err != nil {
		return err
	}
	r.pauseForBus(ctx)
	return nil
}

func (r *recordRelay) pending(ctx context.Context, limit int) ([]mirror.OutgoingRecord, error) {
	rows, err := r.RecordStore.PendingRecords(ctx, limit)
	if err != nil {
		return nil, r.storeError("reading changed records", err)
	}
	r.show(len(rows))
	return rows, nil
}

func (r *recordRelay) show(waiting int) {
	r.metrics.records.waiting.Set(float64(waiting))
	behind := time.Duration(0)
	if waiting > 0 {
		behind = max(0, r.Now().Sub(r.caughtUp))
	}
	r.metrics.records.behind.Set(behind.Seconds())
}

func (r *recordRelay) storeError(doing string, err error) error {
	r.metrics.records.failures.WithLabelValues(failureStore).Inc()
	return fmt.Errorf("%s: %w", doing, err)
}

func (r *recordRelay) busError(doing string, err error) error {
	r.metrics.records.failures.WithLabelValues(failureBus).Inc()
	return fmt.Errorf("%s: %w", doing, err)
}
