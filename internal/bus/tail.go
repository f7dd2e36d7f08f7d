package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	scanBatch = 1000
	scanWait  = 5 * time.Second
	// scanLife is how long the server keeps the reader of a scan that could not take it away.
	scanLife = 30 * time.Second
)

var errScanBroken = errors.New("reading JOBS was interrupted")

// Entry is a message of JOBS without its body.
type Entry struct {
	Seq uint64
	// Subject, ID and Version are those of the Msg; Version is 0 for a message that is none of ours.
	Subject, ID string
	Version     int64
}

// Tail returns the messages that lie within the last n sequences of JOBS, in order, and the last sequence.
func (b *Bus) Tail(ctx context.Context, n int) ([]Entry, uint64, error) {
	info, err := b.JobsInfo(ctx)
	if err != nil {
		return nil, 0, err
	}
	start := uint64(1)
	if info.LastSeq > uint64(n) {
		start = info.LastSeq - uint64(n) + 1
	}
	var entries []Entry
	last := info.LastSeq
	err = b.scan(ctx, start, func(e Entry) {
		entries = append(entries, e)
		last = max(last, e.Seq)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the end of JOBS: %w", err)
	}
	return entries, last, nil
}

// Place is where a subject of JOBS stands.
type Place struct {
	// Version is the highest version there, Seq its sequence.
	Version int64
	Seq     uint64
	// Hole is the sequence behind the last gap in the versions, 0 where they rise by one throughout: something below
	// it was lost.
	Hole uint64
}

// LastVersions reads the headers of all of JOBS and returns where each subject stands, and the stream's last sequence.
func (b *Bus) LastVersions(ctx context.Context) (map[string]Place, uint64, error) {
	info, err := b.JobsInfo(ctx)
	if err != nil {
		return nil, 0, err
	}
	places := map[string]Place{}
	last := info.LastSeq
	err = b.scan(ctx, 1, func(e Entry) {
		last = max(last, e.Seq)
		if e.Version == 0 {
			return
		}
		p, known := places[e.Subject]
		if known && e.Version != p.Version+1 {
			p.Hole = e.Seq
		}
		p.Version, p.Seq = e.Version, e.Seq
		places[e.Subject] = p
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the versions in JOBS: %w", err)
	}
	return places, last, nil
}

// DropBefore removes the messages of one subject of JOBS that lie below seq, all of them where seq is 0; the stream's
// last sequence stays as it is. It serves the repair of a subject that lost a message in its middle, since what lies
// before the gap can no longer be part of a history without gaps, and the expiry of jobs that were closed long ago.
func (b *Bus) DropBefore(ctx context.Context, subject string, seq uint64) error {
	opts := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(subject)}
	if seq > 0 {
		opts = append(opts, jetstream.WithPurgeSequence(seq))
	}
	return b.purge(ctx, StreamJobs, opts...)
}

// scan visits the messages of JOBS from a sequence to the present end, in order and without a gap in the delivery.
func (b *Bus) scan(ctx context.Context, start uint64, visit func(Entry)) error {
	if !b.nc.IsConnected() {
		return errDisconnected
	}
	consumer, err := b.createScan(ctx, start)
	if err != nil {
		return err
	}
	defer b.deleteScan(ctx, consumer.CachedInfo().Name)

	pending, next := consumer.CachedInfo().NumPending, uint64(1)
	for pending > 0 {
		before := next
		if pending, next, err = b.scanSome(ctx, consumer, pending, next, visit); err != nil {
			return err
		}
		if next == before {
			return fmt.Errorf("%w: %d messages did not come", errScanBroken, pending)
		}
	}
	return nil
}

// createScan makes a reader of JOBS from a sequence on, of all subjects where none is given.
func (b *Bus) createScan(ctx context.Context, start uint64, subjects ...string) (jetstream.Consumer, error) {
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	consumer, err := b.js.CreateConsumer(ctx, StreamJobs, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       start,
		FilterSubjects:    subjects,
		AckPolicy:         jetstream.AckNonePolicy,
		HeadersOnly:       true,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: scanLife,
	})
	if err != nil {
		return nil, fmt.Errorf("creating a reader: %w", because(ctx, err))
	}
	return consumer, nil
}

func (b *Bus) deleteScan(ctx context.Context, name string) {
	ctx, done := b.call(context.WithoutCancel(ctx), time.Second)
	defer done()
	if err := b.js.DeleteConsumer(ctx, StreamJobs, name); err != nil {
		b.log.DebugContext(ctx, "left a reader to the server", "error", err)
	}
}

// scanSome fetches up to scanBatch messages; next is the delivery number that must come.
func (b *Bus) scanSome(
	ctx context.Context, consumer jetstream.Consumer, pending, next uint64, visit func(Entry),
) (left, following uint64, err error) {
	ctx, done := b.call(ctx, scanWait)
	defer done()
	batch, err := consumer.Fetch(int(min(pending, scanBatch)), jetstream.FetchContext(ctx))
	if err != nil {
		return pending, next, fmt.Errorf("fetching: %w", because(ctx, err))
	}
	broken := false
	for msg := range batch.Messages() {
		md, err := msg.Metadata()
		if err != nil || md.Sequence.Consumer != next {
			broken = true
			continue // the channel is emptied, so that the library's goroutine ends
		}
		if broken {
			continue
		}
		next++
		pending = md.NumPending
		visit(entryOf(msg, md.Sequence.Stream))
	}
	if broken {
		return pending, next, fmt.Errorf("%w: a message is missing", errScanBroken)
	}
	if err := batch.Error(); err != nil {
		return pending, next, fmt.Errorf("fetching: %w", because(ctx, err))
	}
	return pending, next, nil
}

func entryOf(msg jetstream.Msg, seq uint64) Entry {
	e := Entry{Seq: seq, Subject: msg.Subject(), ID: msg.Headers().Get(headerID)}
	if v, err := strconv.ParseInt(msg.Headers().Get(events.HeaderVersion), 10, 64); err == nil && v > 0 {
		e.Version = v
	}
	return e
}
