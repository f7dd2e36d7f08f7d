package bus

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// WakeRelay tells the notifier that there are events to publish. It is a hurry-up, not a promise: the notifier looks by
// itself ten times a second.
func (b *Bus) WakeRelay() { b.wake(wakeSubject) }

// WakeWebhooks tells what posts events to endpoints that there are some, or that an endpoint changed. It looks by itself
// a few times a second.
func (b *Bus) WakeWebhooks() { b.wake(wakeWebhooksSubject) }

func (b *Bus) wake(subject string) {
	if err := b.nc.Publish(subject, nil); err != nil {
		b.log.Debug("nobody was woken", "subject", subject, "error", err)
	}
}

// OnWake calls wake at each WakeRelay of any process, on a goroutine of the library: wake must not block.
// The subscription outlives reconnects.
func (b *Bus) OnWake(wake func()) (unsubscribe func(), err error) { return b.onWake(wakeSubject, wake) }

// OnWakeWebhooks is OnWake for WakeWebhooks.
func (b *Bus) OnWakeWebhooks(wake func()) (unsubscribe func(), err error) {
	return b.onWake(wakeWebhooksSubject, wake)
}

func (b *Bus) onWake(subject string, wake func()) (unsubscribe func(), err error) {
	sub, err := b.nc.Subscribe(subject, func(*nats.Msg) { wake() })
	if err != nil {
		return nil, fmt.Errorf("subscribing to wake-ups: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only on a closed connection
}
