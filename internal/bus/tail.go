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
	// bodyBatch is less, since bodies can be large.
	bodyBatch = 100
	// scanTries is how often nothing may come, while something is to come, before a scan is given up. Each waits a second.
	scanTries = 5
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
	// Version, ID and Seq are those of its last message, Version 0 where that is none of ours.
	Version int64
	ID      string
	Seq     uint64
	// Hole is the sequence behind the last break in the versions, 0 where they rise by one throughout: something below
	// it was lost.
	Hole uint64
	// Kept counts the subject's messages, Whole those of them behind the last break.
	Kept, Whole int
	// Foreign says that one of the messages is none of ours.
	Foreign bool
}

// Contents is what could be read of JOBS.
type Contents struct {
	Places map[string]Place
	// Read counts the messages. It is below what the server believes to hold where some cannot be read any more.
	Read uint64
	// Last is the stream's last sequence.
	Last uint64
}

// Contents reads the headers of all of JOBS.
func (b *Bus) Contents(ctx context.Context) (Contents, error) {
	info, err := b.JobsInfo(ctx)
	if err != nil {
		return Contents{}, err
	}
	c := Contents{Places: make(map[string]Place, info.Subjects), Last: info.LastSeq}
	if err := b.scan(ctx, 1, c.add); err != nil {
		return Contents{}, fmt.Errorf("reading the versions in JOBS: %w", err)
	}
	return c, nil
}

// EachEntry visits all of JOBS in order, without the bodies.
func (b *Bus) EachEntry(ctx context.Context, visit func(Entry)) error {
	if err := b.scan(ctx, 1, visit); err != nil {
		return fmt.Errorf("reading JOBS: %w", err)
	}
	return nil
}

// EachLast visits the last message of each subject of JOBS, with its body.
func (b *Bus) EachLast(ctx context.Context, visit func(Message)) error {
	cfg := readerConfig(jetstream.DeliverLastPerSubjectPolicy)
	cfg.FilterSubjects = events.Subjects()
	if err := b.readOut(ctx, cfg, bodyBatch, visit); err != nil {
		return fmt.Errorf("reading the last messages in JOBS: %w", err)
	}
	return nil
}

func (c *Contents) add(e Entry) {
	c.Last = max(c.Last, e.Seq)
	c.Read++
	p, known := c.Places[e.Subject]
	p.Foreign = p.Foreign || e.Version == 0 || e.ID == ""
	if known && e.Version != p.Version+1 {
		p.Hole, p.Whole = e.Seq, 0
	}
	p.Version, p.ID, p.Seq = e.Version, e.ID, e.Seq
	p.Kept++
	p.Whole++
	c.Places[e.Subject] = p
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

// Empty removes all messages of JOBS; the stream's last sequence stays as it is. It is the only way known to get rid of
// messages that the server counts and cannot read any more, the flipped bit in a file. nats-server 2.15 then leaves the
// answer to whoever publishes on a full subject with such a message undone, refuses all that is fenced by the last
// sequence from then on, and runs in a circle once a part of that subject was purged.
func (b *Bus) Empty(ctx context.Context) error { return b.purge(ctx, StreamJobs) }

// scan visits the messages of JOBS from a sequence to the present end, in order and without a gap in the delivery. Those
// that the server cannot read are left out; it says that they are pending until it has found no more.
func (b *Bus) scan(ctx context.Context, start uint64, visit func(Entry)) error {
	return b.readOut(ctx, scanConfig(start), scanBatch, func(m Message) { visit(m.Entry) })
}

// readOut visits what a reader has to give at present, some at a time.
func (b *Bus) readOut(ctx context.Context, cfg jetstream.ConsumerConfig, some int, visit func(Message)) error {
	if !b.nc.IsConnected() {
		return errDisconnected
	}
	consumer, err := b.makeReader(ctx, cfg)
	if err != nil {
		return err
	}
	defer b.deleteScan(ctx, consumer.CachedInfo().Name)

	pending, next, idle := consumer.CachedInfo().NumPending, uint64(1), 0
	for pending > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		before := next
		if pending, next, err = b.scanSome(consumer, some, pending, next, visit); err != nil {
			return err
		}
		if next > before || pending == 0 {
			idle = 0
			continue
		}
		if pending, err = b.unread(ctx, consumer, next); err != nil {
			return err
		}
		if idle++; pending > 0 && idle == scanTries {
			return fmt.Errorf("%w: %d messages did not come", errScanBroken, pending)
		}
	}
	return nil
}

// unread returns how many messages are still to come when nothing came.
func (b *Bus) unread(ctx context.Context, consumer jetstream.Consumer, next uint64) (uint64, error) {
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	info, err := consumer.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("asking for what is left: %w", because(ctx, err))
	}
	if info.Delivered.Consumer != next-1 {
		return 0, fmt.Errorf("%w: a message is missing", errScanBroken)
	}
	return info.NumPending, nil
}

// createScan makes a reader of JOBS from a sequence on, of all subjects where none is given.
func (b *Bus) createScan(ctx context.Context, start uint64, subjects ...string) (jetstream.Consumer, error) {
	cfg := scanConfig(start)
	cfg.FilterSubjects = subjects
	return b.makeReader(ctx, cfg)
}

// readerConfig is a reader that leaves nothing behind for long, even where it cannot be taken away.
func readerConfig(from jetstream.DeliverPolicy) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		DeliverPolicy: from, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: scanLife,
	}
}

func scanConfig(start uint64) jetstream.ConsumerConfig {
	cfg := readerConfig(jetstream.DeliverByStartSequencePolicy)
	cfg.OptStartSeq, cfg.HeadersOnly = start, true
	return cfg
}

func (b *Bus) makeReader(ctx context.Context, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	consumer, err := b.js.CreateConsumer(ctx, StreamJobs, cfg)
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

// scanSome fetches up to some messages; next is the delivery number that must come.
func (b *Bus) scanSome(
	consumer jetstream.Consumer, some int, pending, next uint64, visit func(Message),
) (left, following uint64, err error) {
	batch, err := consumer.FetchNoWait(some)
	if err != nil {
		return pending, next, fmt.Errorf("fetching: %w", err)
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
		visit(Message{Entry: entryOf(msg, md.Sequence.Stream), Data: msg.Data()})
	}
	if broken {
		return pending, next, fmt.Errorf("%w: a message is missing", errScanBroken)
	}
	if err := batch.Error(); err != nil {
		return pending, next, fmt.Errorf("fetching: %w", err)
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
