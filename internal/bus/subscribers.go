package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	boardAckWait       = 30 * time.Second
	boardMaxAckPending = 1000
	// boardMaxExpires bounds a request for events. Boards ask from another account, where the server forgets the way back
	// of an answer after response_threshold; see ops/nats/accounts.conf, where that is longer.
	boardMaxExpires = time.Minute

	// The metadata of a subscriber's consumer: whose it is, and how often it began anew.
	metaSubscriber = "ashbridge-subscriber"
	metaReplay     = "ashbridge-replay"
)

// BoardConsumer is what a subscriber's consumer says of itself.
type BoardConsumer struct {
	// Name is the consumer's, which is the user's; Subscriber the id in its metadata.
	Name, Subscriber string
	Replay           int
	Created          time.Time
	// Pending counts what is not acknowledged, be it delivered or not.
	Pending int
	// TellsAcks says that OnAcknowledged works.
	TellsAcks bool
}

// SubscriberSubjects are the subjects that a subscriber with these employers gets; nil stands for all.
func SubscriberSubjects(employers []string) []string {
	if employers == nil {
		return events.Subjects()
	}
	subjects := make([]string, 0, 2*len(employers))
	for _, id := range employers {
		subjects = append(subjects, events.JobSubject(id, "*"), events.ConnectionSubject(id))
	}
	return subjects
}

// subscriberConfig is the consumer's shape; where it begins is the caller's to add.
func subscriberConfig(s mirror.Subscriber) (jetstream.ConsumerConfig, error) {
	for _, id := range s.Employers {
		if !isToken(id) {
			return jetstream.ConsumerConfig{}, fmt.Errorf("employer %q: %w", id, ErrNoSubject)
		}
	}
	return jetstream.ConsumerConfig{
		Durable:        s.User(),
		Description:    "A job board's way to the events. Ashbridge makes it again where it is missing.",
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        boardAckWait,
		MaxAckPending:  boardMaxAckPending,
		MaxDeliver:     -1, // never given up: a board that cannot handle an event says so itself
		FilterSubjects: SubscriberSubjects(s.Employers),
		Metadata:       map[string]string{metaSubscriber: s.ID, metaReplay: strconv.Itoa(s.Replay)},
		// A request that waits longer than the server keeps the way back of its answers would hang.
		MaxRequestExpires: boardMaxExpires,
		SampleFrequency:   everyAck,
	}, nil
}

// PutSubscriber makes the subscriber's consumer where it is not there, makes it anew where it is an older replay's, or was
// begun elsewhere by who had not heard that it is lost, and removes those of older generations. A consumer that is newer than
// s is left alone. Repeating it changes nothing.
//
// mirror.ErrNoConsumer: it is to begin where an older generation's ended, and none is there. ErrNoStream: JOBS is not
// there. Any other error means that the work may be half done; do it again.
func (b *Bus) PutSubscriber(ctx context.Context, s mirror.Subscriber) error {
	ctx, done := b.call(ctx, 2*apiTimeout)
	defer done()
	if !b.nc.IsConnected() {
		return errDisconnected
	}
	if err := b.putSubscriber(ctx, s); err != nil {
		return fmt.Errorf("making the consumer %s: %w", s.User(), because(ctx, err))
	}
	return nil
}

func (b *Bus) putSubscriber(ctx context.Context, s mirror.Subscriber) error {
	cfg, err := subscriberConfig(s)
	if err != nil {
		return err
	}
	info, err := b.consumerInfo(ctx, s.User())
	switch {
	case err == nil && !isOlder(info.Config, s):
		return b.dropGenerations(ctx, s.ID, s.Generation)
	case err == nil:
		if err := b.deleteConsumer(ctx, s.User()); err != nil {
			return err
		}
	case !errors.Is(err, mirror.ErrNoConsumer):
		return err
	}
	if err := b.beginAt(ctx, s, &cfg); errors.Is(err, mirror.ErrNoConsumer) {
		if _, err := b.consumerInfo(ctx, s.User()); err != nil {
			return err
		}
		return nil // another process was faster, and has removed the one before
	} else if err != nil {
		return err
	}
	_, err = b.js.CreateConsumer(ctx, StreamJobs, cfg)
	if errors.Is(err, jetstream.ErrConsumerExists) {
		return b.putSubscriber(ctx, s) // another process was faster, perhaps with an older state
	}
	if err != nil {
		return consumerError(err)
	}
	// Only now: until here, what the older one had acknowledged was nowhere else.
	return b.dropGenerations(ctx, s.ID, s.Generation)
}

// isOlder says whether a subscriber's consumer was made by an older state of its row. Of one generation and replay, a row's
// beginning changes only once, to a snapshot, when the consumer is lost. A place in the stream that was meant before that is
// another one in the stream that was rebuilt.
func isOlder(there jetstream.ConsumerConfig, s mirror.Subscriber) bool {
	if replay := replayOf(there.Metadata); replay != s.Replay {
		return replay < s.Replay
	}
	return s.Start.Kind == mirror.StartSnapshot && there.DeliverPolicy != jetstream.DeliverLastPerSubjectPolicy
}

// beginAt says where the consumer begins.
func (b *Bus) beginAt(ctx context.Context, s mirror.Subscriber, cfg *jetstream.ConsumerConfig) error {
	switch s.Start.Kind {
	case mirror.StartSnapshot:
		cfg.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	case mirror.StartTime:
		at := s.Start.Time.UTC()
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &at
	case mirror.StartSequence:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.Start.Sequence
	case mirror.StartPrevious:
		return b.beginAfter(ctx, s, cfg)
	default:
		return fmt.Errorf("a consumer cannot begin at %q", s.Start.Kind)
	}
	return nil
}

// beginAfter begins where the acknowledgements of the youngest older generation ended. What was delivered and not
// acknowledged lies behind that, so that it comes again.
func (b *Bus) beginAfter(ctx context.Context, s mirror.Subscriber, cfg *jetstream.ConsumerConfig) error {
	for generation := s.Generation - 1; generation > 0; generation-- {
		info, err := b.consumerInfo(ctx, mirror.SubscriberUser(s.ID, generation))
		if errors.Is(err, mirror.ErrNoConsumer) {
			continue
		}
		if err != nil {
			return err
		}
		if info.AckFloor.Consumer == 0 {
			// Nothing is acknowledged, so it begins as that one did: a snapshot stays a snapshot.
			cfg.DeliverPolicy, cfg.OptStartSeq = info.Config.DeliverPolicy, info.Config.OptStartSeq
			cfg.OptStartTime = info.Config.OptStartTime
			return nil
		}
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, info.AckFloor.Stream+1
		return nil
	}
	return mirror.ErrNoConsumer
}

// DropSubscriber removes the youngest consumer of the generations up to this one; that there is none is no error.
func (b *Bus) DropSubscriber(ctx context.Context, id string, generation int) error {
	ctx, done := b.call(ctx, 2*apiTimeout)
	defer done()
	if !b.nc.IsConnected() {
		return errDisconnected
	}
	if err := b.dropGenerations(ctx, id, generation+1); err != nil {
		return fmt.Errorf("removing the consumers of %s: %w", id, because(ctx, err))
	}
	return nil
}

// dropGenerations removes the youngest consumer of the generations below one. There is one at most, as a rule; what a
// failure left beside it is found by who lists all consumers.
func (b *Bus) dropGenerations(ctx context.Context, id string, below int) error {
	for generation := below - 1; generation > 0; generation-- {
		err := b.js.DeleteConsumer(ctx, StreamJobs, mirror.SubscriberUser(id, generation))
		if err = consumerError(err); !errors.Is(err, mirror.ErrNoConsumer) {
			return err
		}
	}
	return nil
}

// DropConsumer removes a consumer of JOBS by its name; that there is none is no error.
func (b *Bus) DropConsumer(ctx context.Context, name string) error {
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	if err := b.deleteConsumer(ctx, name); err != nil {
		return fmt.Errorf("removing the consumer %s: %w", name, because(ctx, err))
	}
	return nil
}

func (b *Bus) deleteConsumer(ctx context.Context, name string) error {
	err := consumerError(b.js.DeleteConsumer(ctx, StreamJobs, name))
	if errors.Is(err, mirror.ErrNoConsumer) {
		return nil
	}
	return err
}

// BoardConsumers lists the consumers of JOBS that belong to subscribers.
func (b *Bus) BoardConsumers(ctx context.Context) ([]BoardConsumer, error) {
	ctx, done := b.call(ctx, 2*apiTimeout)
	defer done()
	stream, err := b.js.Stream(ctx, StreamJobs)
	if err != nil {
		return nil, fmt.Errorf("listing the consumers of boards: %w", streamError(ctx, err))
	}
	var out []BoardConsumer
	list := stream.ListConsumers(ctx)
	for info := range list.Info() {
		if id := info.Config.Metadata[metaSubscriber]; id != "" {
			out = append(out, BoardConsumer{
				Name: info.Name, Subscriber: id, Replay: replayOf(info.Config.Metadata), Created: info.Created,
				Pending: int(info.NumPending) + info.NumAckPending, TellsAcks: info.Config.SampleFrequency == everyAck,
			})
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("listing the consumers of boards: %w", because(ctx, err))
	}
	return out, nil
}

// DropBoardsPast removes the consumers of boards that stand behind a sequence where JOBS ends now, since it lost its end, and
// returns their names. They would pass over all that is published up to where they stand. nats-server 2.15 sets those of a
// stream with one replica back by itself when it starts, and leaves those of a replicated one as they are.
func (b *Bus) DropBoardsPast(ctx context.Context, last uint64) ([]string, error) {
	ctx, done := b.call(ctx, 2*apiTimeout)
	defer done()
	stream, err := b.js.Stream(ctx, StreamJobs)
	if err != nil {
		return nil, fmt.Errorf("listing the consumers of boards: %w", streamError(ctx, err))
	}
	var past []string
	list := stream.ListConsumers(ctx)
	for info := range list.Info() {
		if info.Config.Metadata[metaSubscriber] != "" && max(info.Delivered.Stream, info.AckFloor.Stream) > last {
			past = append(past, info.Name)
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("listing the consumers of boards: %w", because(ctx, err))
	}
	for _, name := range past {
		if err := b.deleteConsumer(ctx, name); err != nil {
			return nil, fmt.Errorf("removing the consumer %s: %w", name, because(ctx, err))
		}
	}
	return past, nil
}

// consumerInfo asks for a consumer of JOBS. mirror.ErrNoConsumer, ErrNoStream.
func (b *Bus) consumerInfo(ctx context.Context, name string) (*jetstream.ConsumerInfo, error) {
	consumer, err := b.js.Consumer(ctx, StreamJobs, name)
	if err != nil {
		return nil, consumerError(err)
	}
	return consumer.CachedInfo(), nil
}

func consumerError(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return mirror.ErrNoConsumer
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return ErrNoStream
	}
	return err
}

func replayOf(metadata map[string]string) int {
	n, err := strconv.Atoi(strings.TrimSpace(metadata[metaReplay]))
	if err != nil {
		return 0
	}
	return n
}
