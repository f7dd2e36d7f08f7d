package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// The notifier hears of what a board acknowledges, with its own permissions, and no board hears of another.
func TestTheNotifierHearsWhatABoardAcknowledges(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	notifier := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: g.As(natsconf.UserNotifier)}))
	s := bustest.NewSubscriber()
	user, password := g.Board(notifier, s)
	plain(t, g.As(natsconf.UserAdmin), user) // as a gateway of before made it
	if cs := consumers(t, notifier); len(cs) != 1 || cs[0].TellsAcks || cs[0].Pending != 0 || cs[0].Created.IsZero() {
		t.Fatalf("consumers %+v", cs)
	}
	if err := notifier.TellAcks(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	heard := make(chan uint64, 10)
	stop, err := notifier.OnAcknowledged(user, func(seq uint64) { heard <- seq })
	must(t, err, notifier.Conn().Flush())

	stock(t, notifier, 1, "a.1")
	if cs := consumers(t, notifier); !cs[0].TellsAcks || cs[0].Pending != 1 {
		t.Errorf("consumers %+v", cs)
	}
	nc, err := nats.Connect(g.URL(), nats.UserInfo(user, password), nats.CustomInboxPrefix(mirror.InboxPrefix(user)))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	must(t, err)
	ack := func() {
		t.Helper()
		c, err := js.Consumer(t.Context(), bus.StreamJobs, user)
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		must(t, m.DoubleAck(t.Context()))
	}
	ack()
	if seq := <-heard; seq != 1 {
		t.Errorf("heard of %d", seq)
	}
	stop()
	must(t, notifier.Conn().Flush())
	publish(t, notifier, 1, msg("jobs.v1.a.2", "a2", 1))
	ack()
	must(t, notifier.Conn().Flush())
	if len(heard) > 0 {
		t.Errorf("heard of %d after the end", <-heard)
	}
	if err := notifier.TellAcks(t.Context(), "sub_x_1"); !errors.Is(err, mirror.ErrNoConsumer) {
		t.Errorf("no consumer: %v", err)
	}
	if _, err := notifier.OnAcknowledged("*", nil); err == nil {
		t.Error("every consumer is listened to")
	}
}

// plain makes a board's consumer one that does not tell.
func plain(t *testing.T, url, name string) {
	t.Helper()
	admin := bustest.Ready(t, bustest.Connect(t, url))
	c, err := admin.JetStream().Consumer(t.Context(), bus.StreamJobs, name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.CachedInfo().Config
	cfg.SampleFrequency = ""
	_, err = admin.JetStream().UpdateConsumer(t.Context(), bus.StreamJobs, cfg)
	must(t, err)
}

func consumers(t *testing.T, b *bus.Bus) []bus.BoardConsumer {
	t.Helper()
	cs, err := b.BoardConsumers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cs
}
