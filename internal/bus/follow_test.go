package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// followed collects what a follower hands over.
type followed struct {
	mu  sync.Mutex
	ids []string
}

func follow(t *testing.T, b *bus.Bus, o bus.FollowOptions) *followed {
	t.Helper()
	f := &followed{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Follow(ctx, o, func(m bus.Message) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.ids = append(f.ids, m.ID)
			if len(m.Data) == 0 {
				t.Errorf("message %s came without its body", m.ID)
			}
		}); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return f
}

func (f *followed) want(t *testing.T, ids ...string) {
	t.Helper()
	bustest.Eventually(t, fmt.Sprintf("%v came", ids), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return slices.Equal(f.ids, ids)
	})
}

func TestFollow(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	reader := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: srv.URL(), Reader: true}))
	last := publish(t, b, 0, msg("jobs.v1.a.1", "a1", 1), msg("jobs.v1.a.1", "a2", 2), msg("jobs.v1.b.1", "b1", 1))
	published := time.Now()
	bustest.Eventually(t, "the clock has moved on", func() bool { return time.Since(published) > 10*time.Millisecond })
	since := time.Now()
	last = publish(t, b, last, msg("connections.v1.a", "ca", 1), msg("jobs.v1.a.2", "a3", 1))
	snapshot := follow(t, reader, bus.FollowOptions{Snapshot: true})
	later := follow(t, reader, bus.FollowOptions{Since: since})
	ofA := follow(t, reader, bus.FollowOptions{Snapshot: true, Connections: []string{"a"}})
	of1 := follow(t, reader, bus.FollowOptions{Snapshot: true, Postings: []string{"1"}})
	fresh := follow(t, reader, bus.FollowOptions{})
	snapshot.want(t, "a2", "b1", "ca", "a3")
	later.want(t, "ca", "a3")
	ofA.want(t, "a2", "ca", "a3")
	of1.want(t, "a2", "b1")

	srv.Stop()
	srv.Start()
	bustest.Eventually(t, "connected again", func() bool { return b.Generation() > 1 && b.Ready() })
	bustest.Eventually(t, "a follower is there again", func() bool { return readers(t, b) == 5 })
	publish(t, b, last, msg("jobs.v1.a.2", "a4", 2))
	snapshot.want(t, "a2", "b1", "ca", "a3", "a4")
	later.want(t, "ca", "a3", "a4")
	fresh.want(t, "a4")

	// Another stream is read from its beginning.
	srv.Stop()
	srv.Wipe()
	srv.Start()
	bustest.Eventually(t, "connected again", func() bool { return b.Generation() > 2 && b.Ready() })
	publish(t, b, 0, msg("jobs.v1.a.2", "a5", 3))
	fresh.want(t, "a4", "a5")
	of1.want(t, "a2", "b1")
}

func readers(t *testing.T, b *bus.Bus) int {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), bus.StreamJobs)
	if err != nil {
		return -1
	}
	return s.CachedInfo().State.Consumers
}

func TestFollowRefusesWhatIsNoToken(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	for _, o := range []bus.FollowOptions{{Connections: []string{"a.>"}}, {Postings: []string{"*"}}} {
		if err := b.Follow(t.Context(), o, nil); !errors.Is(err, bus.ErrNoSubject) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestFollowEndsForAUserThatMayNotRead: waiting would not help it.
func TestFollowEndsForAUserThatMayNotRead(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: g.As(natsconf.UserAdmin)}))
	b := bustest.ConnectOptions(t, bus.Options{URL: g.As(natsconf.UserSyncer), Reader: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Follow(ctx, bus.FollowOptions{}, nil); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("the end: %v", err)
	}
}

// A reader makes no stream and changes none.
func TestReaderMakesNothing(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	reader := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: srv.URL(), Reader: true}))
	if _, err := reader.JobsInfo(t.Context()); !errors.Is(err, bus.ErrNoStream) {
		t.Errorf("a stream is there: %v", err)
	}
}
