package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world stands in for Postgres and NATS.
type world struct {
	mu      sync.Mutex
	fleet   mirror.Fleet
	streams []bus.StreamSize
	err     error
	// slow is how long each call takes.
	slow         time.Duration
	looks, count int
}

// set changes the world while it is looked at.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// take spends the time of a call.
func (w *world) take() {
	w.mu.Lock()
	slow := w.slow
	w.mu.Unlock()
	<-time.After(slow)
}

func (w *world) Fleet(_ context.Context, named int) (mirror.Fleet, error) {
	w.take()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	f := w.fleet
	f.Named = f.Named[:min(named, len(f.Named))]
	return f, w.err
}

func (w *world) PublicJobs(context.Context) (int, error) {
	w.take()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	return 42, w.err
}

func (w *world) StreamSizes(context.Context) ([]bus.StreamSize, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.streams, w.err
}

// bundle is a watcher that runs until stop.
type bundle struct {
	*testing.T
	*fleet.Watcher
	reg      *prometheus.Registry
	failures atomic.Int64
	stop     func()
}

func watch(t *testing.T, w *world, named int) *bundle {
	t.Helper()
	b := &bundle{T: t, reg: prometheus.NewRegistry()}
	var err error
	b.Watcher, err = fleet.New(fleet.Options{Store: w, Bus: w, Named: named, OnFailure: func() { b.failures.Add(1) }}, b.reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Watcher.Run(ctx) }()
	b.stop = func() { cancel(); <-done }
	synctest.Wait()
	return b
}

// series returns all that is shown, as name{labels} to value.
func (b *bundle) series() map[string]float64 {
	b.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		b.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			all[strings.TrimPrefix(f.GetName(), "ashbridge_")+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue()
		}
	}
	return all
}

func (b *bundle) shows(want map[string]float64) {
	b.Helper()
	got := b.series()
	for name, v := range want {
		if is, ok := got[name]; !ok || is != v {
			b.Errorf("%s is %v (%t), want %v", name, is, ok, v)
		}
	}
}

func TestItShowsWhatItReadWhileItRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			fleet: mirror.Fleet{
				Connections: map[mirror.Status]int{mirror.StatusActive: 3}, Watched: 3, FreshByPoll: 2, FreshByWebhook: 1,
				OldestVerified: time.Hour, Worst: []mirror.FleetConnection{
					{ID: "c1", EmployerRef: "acme", Verified: time.Hour, Overdue: 9 * time.Minute},
					{ID: "c2", EmployerRef: "calm", Verified: 9 * time.Hour, Overdue: -time.Minute},
				},
				Named: []mirror.FleetConnection{{ID: "c1", EmployerRef: "acme", Status: mirror.StatusActive, Verified: time.Hour, PublicJobs: 4, InboxRows: 5}},
				Inbox: mirror.Waiting{Rows: 2, Oldest: 30 * time.Second}, Holds: mirror.Waiting{Rows: 1, Oldest: time.Minute},
				Quarantined: map[string]int{"posting": 2, "of another release": 1}, PartitionsHeld: 60, Syncers: 2, DatabaseBytes: 7,
			},
			streams: []bus.StreamSize{{Name: "JOBS", Bytes: 8, MaxBytes: 9, Messages: 3, Replicas: 3, Current: 2}},
		}
		b := watch(t, w, 5)
		b.ShowBoards([]fleet.Board{{Subscriber: "s", Name: "Board", Pending: 6}})
		<-time.After(4 * time.Second) // ages grow between two readings
		synctest.Wait()
		b.shows(map[string]float64{
			"fleet_connections{status=active}": 3, "fleet_connections{status=paused}": 0, "fleet_watched_connections{}": 3,
			"fleet_fresh_connections{by=poll}": 2, "fleet_fresh_connections{by=webhook}": 1,
			"fleet_oldest_verified_seconds{}": 3604, "fleet_worst_verified_seconds{connection=c1,employer=acme}": 3604,
			"fleet_worst_overdue_seconds{connection=c1,employer=acme}": 544, "fleet_worst_overdue_seconds{connection=c2,employer=calm}": 0,
			"fleet_inbox_rows{}": 2, "fleet_inbox_oldest_seconds{}": 34, "fleet_hold_oldest_seconds{}": 64, "fleet_holds_waiting{}": 1,
			"fleet_outbox_rows{}": 0, "fleet_outbox_oldest_seconds{}": 0,
			"fleet_quarantined_rows{kind=posting}": 2, "fleet_quarantined_rows{kind=other}": 1, "fleet_quarantined_rows{kind=job}": 0,
			"fleet_public_jobs{}": 42, "fleet_partitions{state=held}": 60, "fleet_partitions{state=free}": 4, "fleet_syncers{}": 2,
			"fleet_database_bytes{}": 7, "fleet_refreshed_timestamp_seconds{}": float64(time.Now().Unix() - 4),
			"connection_info{connection=c1,employer=acme,status=active}": 1, "connection_verified_seconds{connection=c1}": 3604,
			"connection_public_jobs{connection=c1}": 4, "connection_inbox_rows{connection=c1}": 5,
			"stream_bytes{stream=JOBS}": 8, "stream_max_bytes{stream=JOBS}": 9, "stream_messages{stream=JOBS}": 3,
			"stream_replicas{stream=JOBS}": 3, "stream_current_replicas{stream=JOBS}": 2,
			"board_pending_events{name=Board,subscriber=s}": 6,
		})
		if problems, err := testutil.GatherAndLint(b.reg); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
		b.stop()
		b.ShowBoards([]fleet.Board{{Subscriber: "late"}})
		if got := b.series(); len(got) > 0 {
			t.Errorf("without the lease it shows %v", got)
		}
	})
}

func TestAFailureLeavesTheLastReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{fleet: mirror.Fleet{Watched: 1, OldestVerified: time.Minute}, streams: []bus.StreamSize{{Name: "JOBS"}}}
		b := watch(t, w, 0)
		defer b.stop()
		b.ShowBoards([]fleet.Board{{Subscriber: "s"}})
		read := float64(time.Now().Unix())
		w.set(func() { w.err, w.streams = errors.New("away"), nil })
		<-time.After(65 * time.Second)
		synctest.Wait()
		b.shows(map[string]float64{
			"fleet_refreshed_timestamp_seconds{}": read, "fleet_oldest_verified_seconds{}": 125, "fleet_public_jobs{}": 42,
		})
		got := b.series()
		for _, gone := range []string{"stream_bytes{stream=JOBS}", "board_pending_events{name=,subscriber=s}"} {
			if _, is := got[gone]; is {
				t.Errorf("%s is shown though nobody knows it", gone)
			}
		}
		if n := b.failures.Load(); n < 6 {
			t.Errorf("%d failures told", n)
		}
	})
}

func TestALostLeaseIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b := watch(t, w, 0)
		w.set(func() { w.slow = time.Minute })
		<-time.After(11 * time.Second) // a reading hangs, and pays no heed to its context
		synctest.Wait()
		if len(b.series()) == 0 {
			t.Fatal("nothing is shown")
		}
		ended := make(chan struct{})
		go func() { defer close(ended); b.stop() }()
		synctest.Wait()
		if got := b.series(); len(got) > 0 {
			t.Errorf("without the lease it shows %v", got)
		}
		<-ended
		if got := b.series(); len(got) > 0 {
			t.Errorf("what came late is shown: %v", got)
		}
	})
}

func TestSlowReadingsAreSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		quick := &world{}
		watch(t, quick, 0).stop()
		w := &world{slow: 300 * time.Millisecond}
		b := watch(t, w, 0)
		<-time.After(5 * time.Minute)
		b.stop()
		if w.looks < 8 || w.looks > 11 || w.count < 8 || w.count > 11 {
			t.Errorf("%d looks and %d counts of 300 ms in five minutes, want one in half a minute", w.looks, w.count)
		}
		w = &world{slow: 10 * time.Second}
		b = watch(t, w, 0)
		<-time.After(7 * time.Minute)
		b.stop()
		if w.looks < 5 {
			t.Errorf("%d looks of 10 s in seven minutes", w.looks)
		}
	})
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		var boards []fleet.Board
		for i := range 300 {
			w.fleet.Named = append(w.fleet.Named, mirror.FleetConnection{ID: fmt.Sprint("c", i), EmployerRef: fmt.Sprint("e", i)})
			boards = append(boards, fleet.Board{Subscriber: fmt.Sprint("s", i), Pending: i})
		}
		b := watch(t, w, 5)
		defer b.stop()
		b.ShowBoards(boards)
		counts := map[string]int{}
		for name := range b.series() {
			family, _, _ := strings.Cut(name, "{")
			counts[family]++
		}
		for family, most := range map[string]int{"connection_info": 5, "connection_verified_seconds": 5, "board_pending_events": 10} {
			if counts[family] != most {
				t.Errorf("%s has %d series, want %d", family, counts[family], most)
			}
		}
		b.shows(map[string]float64{"board_pending_events{name=,subscriber=s299}": 299, "board_pending_events{name=,subscriber=s290}": 290})
	})
}

func TestItNeedsStoreAndBus(t *testing.T) {
	t.Parallel()
	for _, o := range []fleet.Options{{}, {Store: &world{}}, {Bus: &world{}}} {
		if _, err := fleet.New(o, prometheus.NewRegistry()); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
