package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// resync finds the end of RECORDS. It runs at the beginning of a term, on a new connection and after any doubt about a
// publish. A stream that is new, or lost something, is filled anew.
func (r *recordRelay) resync(ctx context.Context) error {
	// The note is read before the stream: what another relay adds to both in between is then no loss.
	noted, err := r.RecordStore.StreamStateOf(ctx, bus.StreamRecords)
	first := errors.Is(err, mirror.ErrNotFound)
	if err != nil && !first {
		return r.storeError("reading the noted state of the stream of records", err)
	}
	info, err := r.info(ctx)
	if err != nil {
		return err
	}
	r.created, r.last = info.Created, info.LastSeq
	lost := first || !info.Created.Equal(noted.CreatedAt) || info.LastSeq < noted.LastSeq || info.Messages < r.messages
	if lost {
		r.Logger.WarnContext(ctx, "stream is new or lost messages, filling it anew", "stream", bus.StreamRecords,
			"noted_seq", noted.LastSeq, "last_seq", info.LastSeq, "noted_created", noted.CreatedAt, "created", info.Created)
		if err := r.rebuild(ctx, info.Messages > 0); err != nil {
			return err
		}
	} else {
		r.messages = info.Messages
	}
	r.nextAudit = time.Now().Add(r.AuditEvery)
	r.synced = true
	return nil
}

// rebuild empties the stream and has every record told again. What an older copy of the stream holds may have been
// purged since. Where this fails halfway the noted state is still the old one, and it is done again.
func (r *recordRelay) rebuild(ctx context.Context, empty bool) error {
	if empty {
		if err := r.purge(ctx, mirror.RecordPurge{}); err != nil {
			return err
		}
	}
	queued, err := r.RecordStore.RequeueRecords(ctx)
	if err != nil {
		return r.storeError("queueing all records", err)
	}
	if err := r.note(ctx); err != nil {
		return err
	}
	r.messages = 0 // one loss is reported once
	r.metrics.records.rebuilds.Inc()
	r.Logger.InfoContext(ctx, "records are published anew", "stream", bus.StreamRecords, "records", queued)
	return nil
}

// info asks for the stream's state, after creating it where it is gone.
func (r *recordRelay) info(ctx context.Context) (bus.StreamState, error) {
	info, err := r.streamInfo(ctx, r.Bus.RecordsInfo)
	if err != nil {
		return bus.StreamState{}, r.busError("auditing the stream of records", err)
	}
	return info, nil
}

// audit looks whether the stream is still the one that the relay knows. It costs one small request.
func (r *recordRelay) audit(ctx context.Context) error {
	info, err := r.info(ctx)
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

// purgeAsked makes the stream forget what it must, and returns whether there was anything.
func (r *recordRelay) purgeAsked(ctx context.Context) (bool, error) {
	purges, err := r.RecordStore.RecordPurges(ctx, purgePage)
	if err != nil {
		return false, r.storeError("reading which records to forget", err)
	}
	for _, p := range purges {
		if err := r.purge(ctx, p); err != nil {
			return true, err
		}
		if err := r.RecordStore.RecordsPurged(ctx, p); err != nil {
			return true, r.storeError("noting which records were forgotten", err)
		}
		r.metrics.records.purges.Inc()
		r.Logger.InfoContext(ctx, "stream forgot records", "stream", bus.StreamRecords, "connection", p.Connection, "kind", p.Kind)
	}
	return len(purges) > 0, nil
}

// purge removes records from the stream for good. A relay that was paused past its lease may still hold some that it read
// before: after the fence the server refuses them, and what it published before the fence is removed. Another purge goes
// first, since a full stream has no room for the fence.
func (r *recordRelay) purge(ctx context.Context, p mirror.RecordPurge) error {
	r.messages = 0 // they become fewer on purpose
	if err := r.Bus.PurgeRecords(ctx, p.Connection, p.Kind); err != nil {
		return r.busError("forgetting records", err)
	}
	last, err := r.Bus.FenceRecords(ctx, r.last)
	if err != nil {
		r.synced = false
		return r.busError("forgetting records", err)
	}
	r.last = last
	if err := r.Bus.PurgeRecords(ctx, p.Connection, p.Kind); err != nil {
		return r.busError("forgetting records", err)
	}
	return nil
}

// emptyRecords empties RECORDS once it is no longer fed: who is removed from now on would stay in it for ever. It notes a
// state that no stream has, so that the stream is filled anew should it be fed again.
func (n *Notifier) emptyRecords(ctx context.Context) (time.Duration, error) {
	noted, err := n.RecordStore.StreamStateOf(ctx, bus.StreamRecords)
	if errors.Is(err, mirror.ErrNotFound) || (err == nil && noted.CreatedAt.IsZero()) {
		return time.Hour, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the noted state of the stream of records: %w", err)
	}
	if err := n.Bus.WaitReady(ctx); err != nil {
		return 0, err
	}
	if err := n.Bus.PurgeRecords(ctx, "", ""); err != nil && !errors.Is(err, bus.ErrNoStream) {
		return 0, fmt.Errorf("emptying the stream of records: %w", err)
	}
	if err := n.RecordStore.PutStreamState(ctx, bus.StreamRecords, mirror.StreamState{}); err != nil {
		return 0, fmt.Errorf("noting that the stream of records is empty: %w", err)
	}
	n.Logger.InfoContext(ctx, "stream is no longer fed and was emptied", "stream", bus.StreamRecords)
	return 0, nil
}
