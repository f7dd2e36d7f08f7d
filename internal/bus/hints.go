package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// hintTimeout bounds a hint's publish: what fails is found again in Postgres by a sweep.
const hintTimeout = time.Second

// PublishHint sends a hint within a second, or returns an error. Where the stream is gone, because NATS was restarted,
// it is created and the hint sent once more.
func (b *Bus) PublishHint(ctx context.Context, h mirror.Hint) error {
	if err := validHint(h); err != nil {
		return err
	}
	ctx, done := b.call(ctx, hintTimeout)
	defer done()
	err := b.publishHint(ctx, h)
	if errors.Is(err, ErrNoStream) {
		if err = b.EnsureStreams(ctx); err == nil {
			err = b.publishHint(ctx, h)
		}
	}
	if err != nil {
		return fmt.Errorf("publishing a hint: %w", because(ctx, err))
	}
	return nil
}

func (b *Bus) publishHint(ctx context.Context, h mirror.Hint) error {
	msg := &nats.Msg{Subject: HintSubject(h)}
	if _, err := b.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(StreamHints), jetstream.WithRetryAttempts(0)); err != nil {
		return publishError(err)
	}
	return nil
}

// HintMsg is a hint in work. Exactly one of Ack and Retry ends it; without either it is delivered again after
// HintAckWait.
type HintMsg struct {
	Hint mirror.Hint
	// Attempt counts the deliveries of this very message, from 1.
	Attempt int
	msg     Acknowledger
}

// Acknowledger is the part of a JetStream message that a hint needs.
type Acknowledger interface {
	Ack() error
	NakWithDelay(delay time.Duration) error
	InProgress() error
}

// NewHintMsg makes a HintMsg that answers to a, for hints that did not come over NATS.
func NewHintMsg(h mirror.Hint, attempt int, a Acknowledger) HintMsg {
	return HintMsg{Hint: h, Attempt: attempt, msg: a}
}

// Ack says that the hint is dealt with. The ack of a hint that a newer one replaced is harmless.
func (m HintMsg) Ack() error { return m.answer("acknowledging", m.msg.Ack()) }

// Retry has the hint delivered again after delay.
func (m HintMsg) Retry(delay time.Duration) error {
	return m.answer("putting off", m.msg.NakWithDelay(delay))
}

// Working says that the work goes on; call it every third of HintAckWait.
func (m HintMsg) Working() error { return m.answer("prolonging", m.msg.InProgress()) }

func (m HintMsg) answer(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s a hint: %w", what, err)
	}
	return nil
}
