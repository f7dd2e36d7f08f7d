package notifier

import (
	"context"
	"errors"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// recordBatch collects messages for one atomic publish. A record occurs in it once, since the outbox has it once.
type recordBatch struct {
	// rows are all that the batch deals with, also those that need no message.
	rows  []mirror.OutgoingRecord
	msgs  []bus.Msg
	bytes int
}

// full says that the batch is to be published before the message is added.
func (b *recordBatch) full(m bus.Msg, limit int) bool {
	return len(b.msgs) >= limit || (len(b.msgs) > 0 && b.bytes+len(m.Data) > maxBatchBytes)
}

func (b *recordBatch) add(o mirror.OutgoingRecord, m bus.Msg) {
	b.rows, b.msgs, b.bytes = append(b.rows, o), append(b.msgs, m), b.bytes+len(m.Data)
}

// relay publishes rows in batches, and takes each batch out of the outbox before the next.
func (r *recordRelay) relay(ctx context.Context, rows []mirror.OutgoingRecord) error {
	b := recordBatch{}
	for _, o := range rows {
		m, ok := r.encode(ctx, o)
		if !ok {
			b.rows = append(b.rows, o)
			continue
		}
		if b.full(m, r.limit) {
			if err := r.publish(ctx, b); err != nil {
				return err
			}
			b = recordBatch{}
		}
		b.add(o, m)
	}
	return r.publish(ctx, b)
}

// publish sends a batch, notes where the stream ends, and only then takes the rows out: a loss of what they told is
// noticed.
func (r *recordRelay) publish(ctx context.Context, b recordBatch) error {
	if len(b.msgs) > 0 {
		if err := r.send(ctx, b); err != nil {
			return err
		}
		if err := r.note(ctx); err != nil {
			return err
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	if err := r.RecordStore.RecordsPublished(ctx, b.rows); err != nil {
		return r.storeError("noting which records were published", err)
	}
	for _, m := range b.msgs {
		delete(r.tooLarge, m.ID)
		r.metrics.records.published.WithLabelValues(string(m.Type)).Inc()
	}
	return nil
}

func (r *recordRelay) send(ctx context.Context, b recordBatch) error {
	last, err := r.Bus.PublishRecords(ctx, b.msgs, r.last)
	if err == nil {
		r.last = last
		return nil
	}
	r.synced = false
	if errors.Is(err, bus.ErrTooLarge) {
		// The server takes less than it says. Find out which message it is by sending them one by one.
		r.limit = 1
		if len(b.msgs) == 1 {
			r.tooLarge[b.msgs[0].ID] = true
		}
	}
	return r.busError("publishing records", err)
}

// note records where the stream ends, so that a later loss is noticed.
func (r *recordRelay) note(ctx context.Context) error {
	s := mirror.StreamState{CreatedAt: r.created, LastSeq: r.last}
	if err := r.RecordStore.PutStreamState(ctx, bus.StreamRecords, s); err != nil {
		return r.storeError("noting the state of the stream of records", err)
	}
	return nil
}
