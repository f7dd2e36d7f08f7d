package notifier_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
)

func TestRecordsAreTold(t *testing.T) {
	t.Parallel()
	w := fed(t)
	r := w.feed("a")
	w.keep("acme", "job", "1", `{"title":"One <b>&</b>"}`)
	w.keep("acme", "candidate", "1", "sealed")
	w.keep("beta", "job", "1", `{"title":"Other"}`)
	w.told()
	w.judge()
	w.keep("acme", "job", "1", `{"title":"Two"}`)
	w.lose("beta", "job", "1")
	w.lose("acme", "candidate", "1")
	w.told()
	w.judge()
	found := w.states()
	for subject, want := range map[string]string{
		"records.v1.acme.job.1": `{"title":"Two"}`, "records.v1.beta.job.1": `{"title":"Other"}`,
		"records.v1.acme.candidate.1": "null",
	} {
		if got := string(found[subject].data.Record); got != want {
			t.Errorf("%s carries %s, want %s", subject, got, want)
		}
	}
	if got := r.metric(t, "ashbridge_relay_records_published_total"); got != 6 {
		t.Errorf("%v states counted", got)
	}
	if got := r.metric(t, "ashbridge_relay_record_rebuilds_total"); got != 1 {
		t.Errorf("%v rebuilds counted: the first start is one", got)
	}
}

// What was mirrored before record events were turned on is told too.
func TestRecordsOfBefore(t *testing.T) {
	t.Parallel()
	w := fed(t)
	w.keep("acme", "job", "1", `{}`)
	w.lose("acme", "job", "1")
	w.keep("acme", "job", "2", `{}`)
	w.exec(`DELETE FROM record_outbox`)
	w.feed("a")
	bustest.Eventually(t, "it is told", func() bool { return len(w.states()) == 2 })
	w.told()
	w.judge()
}

func TestRecordsCoalesce(t *testing.T) {
	t.Parallel()
	w := fed(t)
	seen := w.watch()
	for i := range 50 {
		w.keep("acme", "job", "1", fmt.Sprintf(`{"n":%d}`, i))
		w.keep("acme", "job", fmt.Sprint("other-", i%3), `{}`)
	}
	r := w.feed("a")
	w.told()
	w.judge()
	if got := r.metric(t, "ashbridge_relay_records_published_total"); got != 4 {
		t.Errorf("%v states of 4 records were published", got)
	}
	bustest.Eventually(t, "a reader sees it", func() bool { return len(seen.versions("records.v1.acme.job.1")) > 0 })
	if got := seen.versions("records.v1.acme.job.1"); !slices.Equal(got, []int64{50}) {
		t.Errorf("versions %v were told", got)
	}
}

func TestRecordsInOrderUnderLoad(t *testing.T) {
	t.Parallel()
	w := fed(t)
	seen := w.watch()
	w.feed("a")
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for n := range 60 {
				w.keep("acme", "job", fmt.Sprint((i+n)%5), `{}`)
				w.b.WakeRelay()
			}
		})
	}
	writers.Wait()
	w.told()
	w.judge()
	for id := range 5 {
		subject := fmt.Sprint("records.v1.acme.job.", id)
		bustest.Eventually(t, "a reader sees the last version", func() bool {
			got := seen.versions(subject)
			return len(got) > 0 && got[len(got)-1] == 48
		})
		if got := seen.versions(subject); !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s: versions %v", subject, got)
		}
	}
}

// A process that dies between the server's answer and the deletion repeats the same versions, or newer ones.
func TestRecordsCrashBeforeNoting(t *testing.T) {
	t.Parallel()
	w := fed(t)
	seen := w.watch()
	for i := range 300 { // more than one page, of which the first has 10 and 11
		w.keep("acme", "job", fmt.Sprint(i), `{}`)
	}
	crashed := make(chan struct{}, 100)
	first := w.feed("a", func(o *notifier.Options) {
		o.RecordStore = slowStore{Notifier: w.store, beforePublished: func([]mirror.OutgoingRecord) error {
			crashed <- struct{}{}
			return errCrash
		}}
	})
	<-crashed
	first.stop()
	if n := w.count(`SELECT count(*) FROM record_outbox`); n != 300 {
		t.Fatalf("%d rows wait", n)
	}
	bustest.Eventually(t, "a reader sees the first messages", func() bool {
		return len(seen.versions("records.v1.acme.job.10")) > 0 && len(seen.versions("records.v1.acme.job.11")) > 0
	})
	told := len(seen.versions("records.v1.acme.job.11"))
	w.keep("acme", "job", "10", `{"n":2}`)
	w.feed("b")
	w.told()
	w.judge()
	bustest.Eventually(t, "a reader sees the newer version", func() bool {
		return slices.Contains(seen.versions("records.v1.acme.job.10"), 2)
	})
	if got := seen.versions("records.v1.acme.job.10"); !slices.IsSorted(got) {
		t.Errorf("versions %v", got)
	}
	bustest.Eventually(t, "a reader sees a message again", func() bool {
		return len(seen.versions("records.v1.acme.job.11")) > told
	})
	seen.mu.Lock()
	defer seen.mu.Unlock()
	again := seen.seen["records.v1.acme.job.11"]
	if again[0].id != again[len(again)-1].id || again[0].seq == again[len(again)-1].seq {
		t.Errorf("the repeated message is not the same: %+v", again)
	}
}

func TestRecordsUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 100} {
		for _, lose := range []string{"requests", "replies"} {
			t.Run(fmt.Sprintf("%s_of_%d", lose, n), func(t *testing.T) {
				t.Parallel()
				w := made(t, bustest.StartServer(t))
				direct := w.connect(w.srv.URL())
				proxy := bustest.StartProxy(t, w.srv.Addr())
				w.b = w.connect(proxy.URL())
				w.feed("a", func(o *notifier.Options) { o.AuditEvery = time.Hour })
				w.keep("acme", "job", "0", `{}`)
				w.told()
				before, err := direct.RecordsInfo(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				lost := proxy.Lost()
				if lose == "requests" {
					proxy.LoseRequests()
				} else {
					proxy.LoseReplies()
				}
				for i := range n {
					w.keep("acme", "job", fmt.Sprint(i), `{}`)
				}
				bustest.Eventually(t, "something was sent", func() bool {
					info, err := direct.RecordsInfo(t.Context())
					return lose == "requests" && proxy.Lost() > lost || err == nil && info.LastSeq > before.LastSeq
				})
				proxy.Cut()
				w.told()
				w.b = direct
				w.judge()
			})
		}
	}
}

// A relay that was paused past its lease between reading and publishing must neither take a record back to an older
// state nor bring back what was forgotten.
func TestPausedRecordRelayIsFenced(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(w *world){
		"changed": func(w *world) { w.keep("acme", "job", "1", `{"n":2}`) },
		"removed": func(w *world) { w.forget("acme", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fed(t)
			w.keep("beta", "job", "1", `{}`)
			reading, resume := make(chan struct{}), make(chan struct{})
			var once sync.Once
			old := start(t, heldStore{w.store}, w.b, "a", func(o *notifier.Options) {
				o.Records, o.RecordIdle = true, 10*time.Millisecond
				o.RecordStore = slowStore{Notifier: w.store, afterPending: func(rows []mirror.OutgoingRecord) error {
					if rows[0].Connection == "acme" {
						once.Do(func() {
							close(reading)
							<-resume
						})
					}
					return nil
				}}
			})
			w.told()
			w.keep("acme", "job", "1", `{"n":1}`)
			<-reading
			meanwhile(w)
			w.b = w.connect(w.srv.URL())
			w.feed("b")
			w.told()
			w.judge()
			seen := w.watch()
			close(resume)
			bustest.Eventually(t, "the paused one is refused", func() bool {
				return old.metric(t, "ashbridge_relay_record_failures_total") > 0
			})
			w.judge()
			w.keep("beta", "job", "1", `{"n":2}`)
			w.told()
			w.judge()
			if got := seen.versions("records.v1.acme.job.1"); slices.Contains(got, 1) {
				t.Errorf("versions %v were told afterwards", got)
			}
		})
	}
}

func TestRecordsTooLarge(t *testing.T) {
	t.Parallel()
	srv := bustest.NewServer(t)
	srv.Launch = bustest.LaunchSmall(t, 64<<10)
	srv.Start()
	w := made(t, srv)
	w.b = w.connect(srv.URL())
	w.keep("acme", "job", "large", `{"text":"`+strings.Repeat("x", 64<<10)+`"}`)
	w.keep("acme", "job", "small", `{"text":"x"}`)
	r := w.feed("a")
	w.told()
	w.judge()
	found := w.states()
	large, small := found["records.v1.acme.job.large"].data, found["records.v1.acme.job.small"].data
	if !large.TooLarge || string(large.Record) != "null" || large.Sealed {
		t.Errorf("the large record is told as %+v", large)
	}
	if small.TooLarge || string(small.Record) != `{"text":"x"}` {
		t.Errorf("the small record is told as %+v", small)
	}
	if r.metric(t, "ashbridge_relay_records_too_large_total") != 1 {
		t.Error("the large record was not counted")
	}
}

func TestRecordWithoutSubjectHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := fed(t)
	r := w.feed("a")
	w.keep("acme", "job", "a.b", `{}`)
	w.keep("acme", "job", "*", `{}`)
	w.keep("acme", "job", "good", `{}`)
	w.told()
	if found := w.states(); len(found) != 1 || found["records.v1.acme.job.good"].data.Version != 1 {
		t.Errorf("the stream has %+v", found)
	}
	if r.metric(t, "ashbridge_relay_records_refused_total") < 2 {
		t.Error("the others were not counted")
	}
}

func TestRecordsWaitForNATS(t *testing.T) {
	t.Parallel()
	srv := bustest.NewServer(t)
	w := made(t, srv)
	w.b = bustest.ConnectOptions(t, bus.Options{URL: srv.URL(), Records: true})
	w.keep("acme", "job", "1", `{}`)
	r := w.feed("a")
	bustest.Eventually(t, "it is shown that a record waits", func() bool {
		return r.metric(t, "ashbridge_relay_record_outbox_rows") == 1 && r.metric(t, "ashbridge_relay_record_behind_seconds") > 0
	})
	srv.Start()
	w.told()
	w.judge()
	bustest.Eventually(t, "nothing waits", func() bool { return r.metric(t, "ashbridge_relay_record_behind_seconds") == 0 })
}

// Personal data never enters NATS, not even sealed. What is open there shows that the search finds something.
func TestSealedRecordsStayOut(t *testing.T) {
	t.Parallel()
	const open, sealed = "open-canary-5d1e", "sealed-canary-91c3"
	w := fed(t)
	w.feed("a")
	w.keep("acme", "job", "1", `{"title":"`+open+`"}`)
	w.keep("acme", "candidate", "1", sealed)
	w.told()
	w.keep("acme", "candidate", "1", sealed+" again")
	w.lose("acme", "candidate", "1")
	w.told()
	w.judge()
	w.srv.Stop()
	saved := w.srv.Save()
	if !storedText(t, saved, open) {
		t.Error("the open record is not found in the folder of NATS")
	}
	if storedText(t, saved, sealed) {
		t.Error("a sealed record is found in the folder of NATS")
	}
}

// storedText says whether a text stands in a file of the folder.
func storedText(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(os.DirFS(dir), path)
		found = found || bytes.Contains(raw, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
