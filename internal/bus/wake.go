package bus

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// WakeRelay tells the notifier that there are events to publish. It is a hurry-up, not a promise: the notifier looks by
// itself ten times a second.
func (b *Bus) WakeRelay() {
	if err := b.nc.Publish(wakeSubject, nil); err != nil {
		b.log.Debug("relay was not woken", "error", err)
	}
}

// OnWake calls wake at each WakeRelay of any process, on a goroutine of the library: wake must not block.
// The subscription outlives reconnects.
func (b *Bus) OnWake(wake func()) (unsubscribe func(), err error) {
	sub, err := b.nc.Subscribe(wakeSubject, func(*nats.Msg) { wake() })
	if err != nil {
		return nil, fmt.Errorf("subscribing to wake-ups: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only on a closed connection
}
