package bus_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

func TestConnectBeforeTheServer(t *testing.T) {
	t.Parallel()
	srv := bustest.NewServer(t)
	b := bustest.Connect(t, srv.URL())
	if b.Ready() || b.Connected() {
		t.Fatal("ready without a server")
	}
	began := time.Now()
	if err := b.PublishHint(t.Context(), mirror.Hint{Connection: "c", Kind: mirror.HintPoll}); err == nil {
		t.Fatal("a hint was published without a server")
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Fatalf("the refusal took %v", took)
	}
	srv.Start()
	bustest.Ready(t, b)

	jobs := streamConfig(t, b, bus.StreamJobs)
	if jobs.Storage != jetstream.FileStorage || jobs.MaxMsgsPerSubject != 16 || jobs.MaxAge != 0 ||
		jobs.MaxBytes != 4<<30 || !jobs.AllowAtomicPublish || !jobs.AllowDirect || jobs.Discard != jetstream.DiscardNew {
		t.Errorf("JOBS has the shape %+v", jobs)
	}
	hints := streamConfig(t, b, bus.StreamHints)
	if hints.Storage != jetstream.MemoryStorage || hints.MaxMsgsPerSubject != 1 || hints.MaxAge != 2*time.Hour ||
		hints.MaxBytes != 64<<20 || hints.Discard != jetstream.DiscardOld || hints.Retention != jetstream.WorkQueuePolicy {
		t.Errorf("HINTS has the shape %+v", hints)
	}
	spill := streamConfig(t, b, bus.StreamSpill)
	if spill.Storage != jetstream.FileStorage || spill.Discard != jetstream.DiscardNew ||
		spill.Retention != jetstream.WorkQueuePolicy {
		t.Errorf("SPILL has the shape %+v", spill)
	}
}

// Whoever comes with another shape waits until those whose streams they are have changed them, and asks the server for
// nothing that it would refuse.
func TestEachServiceChangesItsOwnStreams(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	admin := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: g.As(natsconf.UserAdmin), Records: true}))
	for _, name := range []string{bus.StreamHints, bus.StreamJobs, bus.StreamSpill, bus.StreamRecords} {
		cfg := streamConfig(t, admin, name)
		cfg.MaxBytes /= 2
		if _, err := admin.JetStream().UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	logs := &lines{}
	var all []*bus.Bus
	for _, service := range []string{natsconf.UserGateway, natsconf.UserSyncer, natsconf.UserNotifier} {
		all = append(all, bustest.ConnectOptions(t, bus.Options{
			URL: g.As(service), Service: service, Records: true, Logger: slog.New(slog.NewTextHandler(logs, nil)),
		}))
	}
	began := time.Now()
	for _, b := range all {
		bustest.Ready(t, b)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	if cfg := streamConfig(t, admin, bus.StreamSpill); cfg.MaxBytes != 512<<20 {
		t.Errorf("SPILL has %d bytes", cfg.MaxBytes)
	}
	if logs.has("ermissions") {
		t.Error("somebody asked for what is not his")
	}
}

func TestEnsureStreamsUpdates(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	publish(t, b, 0, msg("jobs.v1.c.1", "a", 1))
	cfg := streamConfig(t, b, bus.StreamJobs)
	cfg.MaxMsgsPerSubject = 4
	if _, err := b.JetStream().UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := streamConfig(t, b, bus.StreamJobs).MaxMsgsPerSubject; got != bus.KeptPerSubject {
		t.Errorf("JOBS keeps %d messages per subject", got)
	}
	if info, err := b.JobsInfo(t.Context()); err != nil || info.LastSeq != 1 || info.Messages != 1 {
		t.Errorf("JobsInfo = %+v, %v after the update", info, err)
	}
}

func TestEnsureStreamsDeletesNothing(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	js := b.JetStream()
	if err := js.DeleteStream(t.Context(), bus.StreamHints); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: bus.StreamHints, Subjects: []string{"hints.>"}, Storage: jetstream.FileStorage,
	}); err != nil {
		t.Fatal(err)
	}
	err := b.EnsureStreams(t.Context())
	if err == nil || !strings.Contains(err.Error(), "stream HINTS exists with another shape") {
		t.Fatalf("EnsureStreams = %v", err)
	}
	if got := streamConfig(t, b, bus.StreamHints).Storage; got != jetstream.FileStorage {
		t.Errorf("HINTS was replaced by one in %v", got)
	}
}

func streamConfig(t *testing.T, b *bus.Bus, name string) jetstream.StreamConfig {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}
