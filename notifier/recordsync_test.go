package notifier_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestRecordsRebuilt(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, w *world){
		"wiped_directory": func(_ *testing.T, w *world) {
			w.srv.Stop()
			w.srv.Wipe()
			w.srv.Start()
		},
		"purged": func(t *testing.T, w *world) {
			if err := w.b.PurgeRecords(t.Context(), "", ""); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *testing.T, w *world) {
			if err := w.b.JetStream().DeleteStream(t.Context(), bus.StreamRecords); err != nil {
				t.Fatal(err)
			}
		},
		// The copy holds records that are gone, and such as are to be forgotten.
		"older_copy": func(_ *testing.T, w *world) {
			w.srv.Stop()
			saved := w.srv.Save()
			w.srv.Start()
			bustest.Ready(w, w.b)
			for i := range 20 {
				w.keep("acme", "job", fmt.Sprint(i), `{"n":2}`)
			}
			w.lose("acme", "job", "30")
			w.forget("acme", "offer")
			w.forget("beta", "")
			w.told()
			w.judge()
			w.srv.Stop()
			w.srv.Restore(saved)
			w.srv.Start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fed(t)
			for i := range 40 {
				w.keep("acme", "job", fmt.Sprint(i), `{}`)
			}
			w.keep("acme", "offer", "1", "sealed")
			w.keep("beta", "job", "1", `{}`)
			w.lose("acme", "job", "39")
			var looks atomic.Int64
			r := w.feed("a", func(o *notifier.Options) {
				o.RecordStore = slowStore{Notifier: w.store, beforePending: func() { looks.Add(1) }}
				o.AuditEvery = time.Nanosecond // before each look
			})
			w.told()
			w.judge()
			looked := looks.Load()
			bustest.Eventually(t, "an audit has counted the messages", func() bool { return looks.Load() > looked+1 })
			generation := w.b.Generation()
			lose(t, w)
			bustest.Eventually(t, "the stream is filled anew", func() bool {
				return r.metric(t, "ashbridge_relay_record_rebuilds_total") == 2
			})
			w.told()
			w.judge()
			if name == "purged" && w.b.Generation() != generation {
				t.Error("another connection hid what was tested")
			}
			w.keep("acme", "job", "1", `{"n":3}`)
			w.told()
			w.judge()
		})
	}
}

func TestRecordsForgotten(t *testing.T) {
	t.Parallel()
	w := fed(t)
	r := w.feed("a")
	for _, connection := range []string{"acme", "beta"} {
		w.keep(connection, "job", "1", `{}`)
		w.keep(connection, "offer", "1", "sealed")
	}
	w.told()
	w.forget("acme", "offer")
	w.told()
	w.judge()
	if n := len(w.states()); n != 3 {
		t.Errorf("%d records are left", n)
	}
	w.forget("beta", "")
	w.told()
	w.judge()
	if n := len(w.states()); n != 1 {
		t.Errorf("%d records are left", n)
	}
	w.keep("acme", "job", "1", `{"n":2}`) // goes on behind the fences
	w.told()
	w.judge()
	if got := r.metric(t, "ashbridge_relay_record_purges_total"); got != 2 {
		t.Errorf("%v purges counted", got)
	}
	if got := r.metric(t, "ashbridge_relay_record_rebuilds_total"); got != 1 {
		t.Errorf("a purge was taken for a loss: %v rebuilds", got)
	}
}

// A kind that is taken away and added again, just before or just after the relay reads, is told from its new beginning.
func TestRecordsForgottenAndAddedAgain(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(s *slowStore, then func()){
		"before_the_read": func(s *slowStore, then func()) { s.beforePending = then },
		"after_the_read": func(s *slowStore, then func()) {
			s.afterPending = func([]mirror.OutgoingRecord) error { then(); return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fed(t)
			w.keep("acme", "job", "1", `{}`)
			w.keep("acme", "job", "1", `{}`)
			store := slowStore{Notifier: w.store}
			again := make(chan struct{})
			hook(&store, sync.OnceFunc(func() {
				w.forget("acme", "job")
				w.keep("acme", "job", "1", `{"n":"again"}`)
				close(again)
			}))
			w.feed("a", func(o *notifier.Options) { o.RecordStore = store })
			<-again
			w.told()
			w.judge()
		})
	}
}

// What another relay, one that holds the lease by now, publishes and notes while this one looks for its place is no loss.
func TestAnotherRelayIsNoLoss(t *testing.T) {
	t.Parallel()
	w := fed(t)
	w.keep("acme", "job", "1", `{}`)
	other := w.feed("b")
	w.told()
	added := make(chan struct{})
	store := slowStore{Notifier: w.store, beforeState: sync.OnceFunc(func() {
		defer close(added)
		w.keep("acme", "job", "2", `{}`)
		w.told()
	})}
	r := start(t, heldStore{w.store}, w.connect(w.srv.URL()), "a", func(o *notifier.Options) {
		o.Records, o.RecordStore, o.RecordIdle = true, store, 10*time.Millisecond
	})
	<-added
	other.stop()
	w.keep("acme", "job", "3", `{}`)
	w.told()
	w.judge()
	if got := r.metric(t, "ashbridge_relay_record_rebuilds_total"); got != 0 {
		t.Errorf("the stream was taken for a damaged one: %v rebuilds", got)
	}
}

func TestRecordsOff(t *testing.T) {
	t.Parallel()
	w := made(t, bustest.StartServer(t))
	w.b = bustest.Ready(t, bustest.Connect(t, w.srv.URL()))
	w.keep("acme", "job", "1", `{}`)
	r := start(t, w.store, w.b, "a", func(o *notifier.Options) { o.RecordStore = w.store })
	bustest.Eventually(t, "the relay works", func() bool { return r.metric(t, "ashbridge_relay_resyncs_total") > 0 })
	r.stop()
	if _, err := w.b.RecordsInfo(t.Context()); !errors.Is(err, bus.ErrNoStream) {
		t.Errorf("RecordsInfo: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM stream_state WHERE stream = 'RECORDS'`); n != 0 {
		t.Error("a state of RECORDS was noted")
	}
	for _, o := range []notifier.Options{{Store: w.store, Bus: w.b, Owner: "a", Records: true}} {
		if _, err := notifier.New(o); err == nil {
			t.Error("New succeeded without a store of records")
		}
	}
}

// Turned off, the stream is emptied: nobody would remove from it what is to be forgotten. Turned on again it is filled.
func TestRecordsOffAndOnAgain(t *testing.T) {
	t.Parallel()
	w := fed(t)
	w.keep("acme", "job", "1", `{}`)
	w.keep("beta", "job", "1", `{}`)
	on := w.feed("a")
	w.told()
	w.judge()
	on.stop()
	off := start(t, w.store, w.b, "b", func(o *notifier.Options) { o.RecordStore = w.store })
	bustest.Eventually(t, "the stream is empty", func() bool { return len(w.states()) == 0 })
	noted := func() bool {
		s, err := w.store.StreamStateOf(t.Context(), events.RecordsStream)
		return err == nil && s.CreatedAt.IsZero()
	}
	bustest.Eventually(t, "it is noted", noted)
	off.stop()
	w.exec(`UPDATE connections SET status = 'removed' WHERE id = 'beta'`)
	w.exec(`UPDATE records SET version = 5 WHERE connection_id = 'acme'`)
	w.feed("c")
	bustest.Eventually(t, "the stream is filled", func() bool { return len(w.states()) == 1 })
	w.told()
	w.judge()
	if diff := cmp.Diff(int64(5), w.states()["records.v1.acme.job.1"].data.Version); diff != "" {
		t.Error(diff)
	}
}
