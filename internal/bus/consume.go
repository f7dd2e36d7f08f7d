package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// HintAckWait is how long a hint may be in work without a word before it is delivered again.
	HintAckWait = 30 * time.Second
	// MaxPending is how many hints of one partition are in work at most.
	MaxPending = 100

	hintMaxAckPending = 1000
)

// Hints runs the durable consumer of one partition until ctx ends, and returns ctx's error. handle is called
// concurrently, at most MaxPending at once; a hint may arrive while an older one on the same object is still in work.
// A consumer or stream that vanished with a restart of NATS is created again. Hints returns when every handle has.
func (b *Bus) Hints(ctx context.Context, part int, handle func(ctx context.Context, m HintMsg)) error {
	r := &partReader{bus: b, part: part, handle: handle, slots: make(chan struct{}, MaxPending)}
	defer r.running.Wait()
	wait := newBackoff()
	for ctx.Err() == nil {
		_, _, changed := b.link.state()
		err := r.read(ctx, wait.Reset)
		if ctx.Err() != nil {
			break
		}
		b.log.DebugContext(ctx, "reading hints stopped", "part", part, "error", err)
		waitFor(ctx, changed, wait.Next())
	}
	return ctx.Err()
}

type partReader struct {
	bus     *Bus
	part    int
	handle  func(ctx context.Context, m HintMsg)
	slots   chan struct{}
	running sync.WaitGroup
}

// read fetches hints until something fails; working is called after each success.
func (r *partReader) read(ctx context.Context, working func()) error {
	// A fetch without a connection would leave a subscription of the library behind.
	if !r.bus.nc.IsConnected() {
		return errDisconnected
	}
	consumer, err := r.consumer(ctx)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := r.fetch(ctx, consumer); err != nil {
			return err
		}
		working()
	}
	return ctx.Err()
}

func (r *partReader) consumer(ctx context.Context) (jetstream.Consumer, error) {
	consumer, err := r.createConsumer(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if err = r.bus.EnsureStreams(ctx); err == nil {
			consumer, err = r.createConsumer(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("creating the hint consumer of partition %d: %w", r.part, err)
	}
	return consumer, nil
}

func (r *partReader) createConsumer(ctx context.Context) (jetstream.Consumer, error) {
	ctx, done := r.bus.call(ctx, askTimeout)
	defer done()
	return r.bus.js.CreateOrUpdateConsumer(ctx, StreamHints, jetstream.ConsumerConfig{
		Durable:       PartConsumer(r.part),
		FilterSubject: partSubjects(r.part),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       HintAckWait,
		// A hint is never given up by the server: who handles it decides.
		MaxDeliver:    -1,
		MaxAckPending: hintMaxAckPending,
	})
}

// fetch takes no more hints than there are free slots, so that none waits here while its time to be acknowledged runs.
func (r *partReader) fetch(ctx context.Context, consumer jetstream.Consumer) error {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-r.slots
	free := cap(r.slots) - len(r.slots) // only this goroutine fills slots, so that free can only grow
	joined, leave := r.bus.link.join(ctx)
	defer leave()
	batch, err := consumer.Fetch(free, jetstream.FetchContext(joined))
	if err != nil {
		return fmt.Errorf("fetching hints: %w", err)
	}
	for msg := range batch.Messages() {
		if ctx.Err() != nil {
			_ = msg.Nak() // at once for the next owner; should it get lost, the message comes back by itself
			continue
		}
		r.start(ctx, msg)
	}
	if err := batch.Error(); err != nil {
		return fmt.Errorf("fetching hints: %w", because(joined, err))
	}
	return nil
}

func (r *partReader) start(ctx context.Context, msg jetstream.Msg) {
	hint, err := ParseHintSubject(msg.Subject())
	if err != nil {
		r.bus.log.WarnContext(ctx, "dropped a message that is no hint", "subject", msg.Subject(), "error", err)
		_ = msg.Term() // else it comes back and is dropped again
		return
	}
	attempt := 1
	if md, err := msg.Metadata(); err == nil {
		attempt = int(md.NumDelivered)
	}
	r.slots <- struct{}{}
	r.running.Go(func() {
		defer func() { <-r.slots }()
		r.handle(ctx, HintMsg{Hint: hint, Attempt: attempt, msg: msg})
	})
}
