package bus_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

func TestInspectSeesWhatTheUserMaySee(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	admin := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: g.As(natsconf.UserAdmin)}))

	all, err := bus.Inspect(t.Context(), bus.Options{URL: g.As(natsconf.UserAdmin)})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(all.Version, "2.") || !all.AsksWho || all.MaxPayload != 8<<20 || all.AccountErr != nil || len(all.Streams) != 3 {
		t.Errorf("the administrator sees %+v", all)
	}
	for name, s := range all.Streams {
		if s.Err != nil || s.Misshapen || s.Replicas != 1 || s.MaxBytes <= 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}

	began := time.Now()
	some, err := bus.Inspect(t.Context(), bus.Options{URL: g.As(natsconf.UserGateway)})
	if err != nil {
		t.Fatal(err)
	}
	if some.Streams[bus.StreamJobs].Err != nil || !errors.Is(some.Streams[bus.StreamHints].Err, bus.ErrDenied) ||
		!errors.Is(some.AccountErr, bus.ErrDenied) || time.Since(began) > 4*time.Second {
		t.Errorf("the gateway sees %+v after %s", some, time.Since(began))
	}

	cfg := streamConfig(t, admin, bus.StreamJobs)
	cfg.MaxBytes /= 2
	_, err = admin.JetStream().UpdateStream(t.Context(), cfg)
	must(t, err, admin.JetStream().DeleteStream(t.Context(), bus.StreamHints))
	if all, err = bus.Inspect(t.Context(), bus.Options{URL: g.As(natsconf.UserAdmin)}); err != nil {
		t.Fatal(err)
	}
	if !all.Streams[bus.StreamJobs].Misshapen || !errors.Is(all.Streams[bus.StreamHints].Err, bus.ErrNoStream) {
		t.Errorf("of spoiled streams it sees %+v", all.Streams)
	}
	_, err = admin.JetStream().Stream(t.Context(), bus.StreamHints)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the inspection made a stream: %v", err)
	}
}

func TestInspectGivesUpOnASilentServer(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	began := time.Now()
	if _, err := bus.Inspect(t.Context(), bus.Options{URL: "nats://" + ln.Addr().String()}); err == nil || time.Since(began) > 6*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestInspectDoor(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	look := func(user string) bus.DoorInspection {
		t.Helper()
		d, err := bus.InspectDoor(t.Context(), bus.Options{URL: g.As(user)}, "sub_x")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	public, err := bus.IssuerKey(g.Issuer.Reveal())
	must(t, err)
	for user, canSee := range map[string]bool{natsconf.UserAdmin: true, natsconf.UserGateway: true, natsconf.UserSyncer: false} {
		d := look(user)
		if d.LetIn || d.CanSee != canSee || d.Asked != canSee || canSee && d.Issuer != public || d.Took > 2*time.Second {
			t.Errorf("%s sees %+v", user, d)
		}
	}
	g.Unsure(true)
	if d := look(natsconf.UserAdmin); d.LetIn || !d.Asked || d.Took < 2*time.Second {
		t.Errorf("with nobody who answers: %+v", d)
	}
	open := bustest.StartServer(t)
	d, err := bus.InspectDoor(t.Context(), bus.Options{URL: open.URL()}, "sub_x")
	if err != nil || !d.LetIn {
		t.Errorf("a server that lets everybody in: %+v, %v", d, err)
	}
}
