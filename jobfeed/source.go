package jobfeed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// readerLife is how long the server keeps a consumer of ours that nobody asks.
const readerLife = time.Minute

// source is where events come from: a subscriber's durable consumer, or the stream itself.
type source interface {
	// attach finds or makes the consumer. It goes on with the origin before it, nil for none, where that still is the
	// same, and else begins a new one; where that is the first, mark is what Positions hold.
	attach(ctx context.Context, l *link, before *origin, mark Mark) (attachment, error)
	// detach takes away what attach made.
	detach(ctx context.Context, l *link, consumer string)
	// acknowledges says whether the server wants to know what was handled.
	acknowledges() bool
}

// attachment is a consumer to read from.
type attachment struct {
	consumer string
	from     *origin
	// ackWait is after which time the server delivers again what was not acknowledged, limit how many messages it
	// delivers before it waits for acknowledgements; zero where it wants none.
	ackWait time.Duration
	limit   int
	// pending is how many messages are yet to be delivered, unacknowledged how many were without having been
	// acknowledged, up to the sequence delivered; number is the number of the last delivery.
	pending        uint64
	unacknowledged int
	delivered      uint64
	number         uint64
}

// durable is a subscriber's consumer, which Ashbridge made.
type durable struct{ name string }

func (d durable) acknowledges() bool { return true }

func (d durable) detach(context.Context, *link, string) {}

func (d durable) attach(ctx context.Context, l *link, before *origin, _ Mark) (attachment, error) {
	consumer, err := l.js.Consumer(ctx, events.Stream, d.name)
	if err != nil {
		err = l.reason(err)
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			return attachment{}, fmt.Errorf("%w: %s (POST /v1/subscribers/{id}/rotate gives a new user and a new "+
				"consumer; one that NATS lost, Ashbridge makes again soon)", ErrNoConsumer, d.name)
		}
		return attachment{}, fmt.Errorf("asking for the consumer %s: %w", d.name, err)
	}
	info := consumer.CachedInfo()
	replay, _ := strconv.Atoi(info.Config.Metadata[metadataReplay]) // absent is 0
	at := attachment{
		consumer: d.name, from: before, ackWait: info.Config.AckWait, limit: info.Config.MaxAckPending,
		pending: info.NumPending, unacknowledged: info.NumAckPending, delivered: info.Delivered.Stream,
		number: info.Delivered.Consumer,
	}
	created := stamp(info.Created)
	// One that is behind what came from it was restored from a copy: what it acknowledges may be other events.
	if before == nil || !before.created.Equal(created) || before.replay != replay || info.Delivered.Stream < before.last.Sequence {
		at.from = &origin{created: created, replay: replay, last: Mark{Created: created, Replay: replay}}
	}
	return at, nil
}

// metadataReplay counts a consumer's replays.
const metadataReplay = "ashbridge-replay"

// stamp is a server's time as Positions keep it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// stream reads the stream with consumers of its own.
type stream struct {
	subjects []string
	// filter names the subjects.
	filter string
}

func newStream(subjects []string) stream {
	sorted := slices.Sorted(slices.Values(subjects))
	return stream{subjects: sorted, filter: strings.Join(sorted, " ")}
}

func (s stream) acknowledges() bool { return false }

func (s stream) attach(ctx context.Context, l *link, before *origin, mark Mark) (attachment, error) {
	st, err := l.stream(ctx)
	if err != nil {
		return attachment{}, err
	}
	created := stamp(st.CachedInfo().Created)
	if before != nil {
		mark = before.last
	}
	cfg := jetstream.ConsumerConfig{
		Description: "jobfeed", FilterSubjects: s.subjects, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		InactiveThreshold: readerLife, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: mark.Sequence + 1,
	}
	same, err := s.isThere(ctx, st, created, mark)
	switch {
	case err != nil:
		return attachment{}, l.reason(err)
	case !same:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverLastPerSubjectPolicy, 0
		before = &origin{created: created, last: Mark{Created: created, Filter: s.filter}}
	case before == nil:
		before = &origin{created: created, last: mark}
	}
	consumer, err := st.CreateConsumer(ctx, cfg)
	if err != nil {
		return attachment{}, fmt.Errorf("making a consumer: %w", l.reason(err))
	}
	info := consumer.CachedInfo()
	return attachment{consumer: info.Name, from: before, pending: info.NumPending}, nil
}

// isThere says whether the message at a mark is still the one that was read. If so the stream did not lose it, and
// nothing that was read before it either; if it is gone, or another, all jobs are read anew.
func (s stream) isThere(ctx context.Context, st jetstream.Stream, created time.Time, mark Mark) (bool, error) {
	if !mark.Created.Equal(created) || mark.Sequence == 0 || mark.Event == "" || mark.Filter != s.filter {
		return false, nil
	}
	m, err := st.GetMsg(ctx, mark.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading message %d: %w", mark.Sequence, err)
	}
	return m.Header.Get(headerID) == mark.Event, nil
}

func (s stream) detach(ctx context.Context, l *link, consumer string) {
	// Else the server does it itself, after readerLife.
	_ = l.js.DeleteConsumer(ctx, events.Stream, consumer)
}

// stream asks for the stream's state.
func (l *link) stream(ctx context.Context) (jetstream.Stream, error) {
	st, err := l.js.Stream(ctx, events.Stream)
	if err == nil {
		return st, nil
	}
	err = l.reason(err)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, ErrNoStream
	}
	return nil, fmt.Errorf("asking for the stream %s: %w", events.Stream, err)
}
