package localtest_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

func stream(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestEachNATSIsApart(t *testing.T) {
	t.Parallel()
	one, other := localtest.NATS(t), localtest.NATS(t)
	if _, err := stream(t, one.URL()).CreateStream(t.Context(), jetstream.StreamConfig{Name: "S"}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream(t, other.URL()).Stream(t.Context(), "S"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the stream of one is in the other: %v", err)
	}
}

func TestRestartableNATSKeepsItsPortAndItsDataUntilWiped(t *testing.T) {
	t.Parallel()
	r := localtest.NewRestartableNATS(t)
	url := r.URL()
	if _, err := stream(t, url).CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	if _, err := nats.Connect(url); err == nil {
		t.Error("it answers although it is stopped")
	}
	r.Start()
	r.Start()
	if _, err := stream(t, url).Stream(t.Context(), "S"); err != nil {
		t.Errorf("the stream after a restart: %v", err)
	}
	r.Wipe()
	r.Start()
	if r.URL() != url {
		t.Errorf("moved from %s to %s", url, r.URL())
	}
	if _, err := stream(t, url).Stream(t.Context(), "S"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the stream after a wipe: %v", err)
	}
}
