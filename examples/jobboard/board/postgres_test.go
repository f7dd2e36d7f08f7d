package board

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/jobfeed/jobfeedtest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The position is there as soon as the job is, before the feed says that it was handled: a crash in between repeats
// nothing.
func TestJobAndPositionAreStoredTogether(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	apply(t, p, event(events.JobPublished, "p", 1))
	apply(t, p, event(events.JobUpdated, "p", 4))
	at, err := p.Positions().Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"c/p": 4}, at.Versions); diff != "" {
		t.Error(diff)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Apply(ended, jobOf(event(events.JobUpdated, "p", 5))); err == nil {
		t.Fatal("a transaction without time succeeded")
	}
	if at, err = p.Positions().Load(t.Context()); err != nil || at.Versions["c/p"] != 4 {
		t.Errorf("after a transaction that failed: %v %v", at, err)
	}
}

func TestPositionsKeepTheirContract(t *testing.T) {
	t.Parallel()
	jobfeedtest.TestPositions(t, func(t *testing.T) jobfeed.Positions { return newPostgres(t).Positions() })
}

func TestPositionsOutliveARestart(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	p, err := OpenPostgres(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	mark := jobfeed.Mark{Created: clock.Add(time.Microsecond), Sequence: 12, Event: "e", Filter: "f", Replay: 1}
	s := p.Positions()
	if at, err := s.Load(t.Context()); err != nil || !at.Mark.Created.IsZero() || len(at.Versions) != 0 {
		t.Errorf("of nothing: %+v %v", at, err)
	}
	for _, step := range []error{
		s.Handled(t.Context(), "c", 3), s.Handled(t.Context(), "c/p", 7), s.Handled(t.Context(), "c", 2), s.Reached(t.Context(), mark),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if p, err = OpenPostgres(t.Context(), url); err != nil { // a restart
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	s = p.Positions()
	at, err := s.Load(t.Context())
	if diff := cmp.Diff(jobfeed.Position{Mark: mark, Versions: map[string]int64{"c": 3, "c/p": 7}}, at); diff != "" || err != nil {
		t.Error(diff, err)
	}
	mark.Replay = 2
	if err := s.Reset(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	if at, err = s.Load(t.Context()); err != nil || len(at.Versions) != 0 || at.Mark != mark {
		t.Errorf("after a reset: %+v %v", at, err)
	}
}

// A replay hands over what is known. It mends what is wrong here, and brings nothing back that is older.
func TestAReplayMendsADamagedRow(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	apply(t, p, event(events.JobUpdated, "p", 4, titled("Right")))
	if _, err := p.db.Exec(`UPDATE jobboard.jobs SET job = jsonb_set(job, '{title}', '"Wrong"')`); err != nil {
		t.Fatal(err)
	}
	if err := p.Positions().Reset(t.Context(), jobfeed.Mark{Created: clock, Replay: 1}); err != nil {
		t.Fatal(err)
	}
	if apply(t, p, event(events.JobUpdated, "p", 3, titled("Older"))) {
		t.Error("an older version changed something")
	}
	if !apply(t, p, event(events.JobUpdated, "p", 4, titled("Right"))) {
		t.Error("the damaged row was not mended")
	}
	if j, err := p.Job(t.Context(), "c", "p"); err != nil || j.Title != "Right" {
		t.Errorf("%q %v", j.Title, err)
	}
}

func TestBoardsMayStartAtTheSameTime(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p, err := OpenPostgres(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			_ = p.Close()
		})
	}
	wg.Wait()
}

func TestNoDatabaseIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	if _, err := OpenPostgres(t.Context(), "postgres://127.0.0.1:1/none?sslmode=disable&connect_timeout=5"); err == nil {
		t.Error("it opened")
	}
}
