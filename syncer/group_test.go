package syncer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// crowd is a synchronised connection in which one unit of work is held up while webhooks of other postings come in.
type crowd struct {
	*bundle
	gate chan struct{}
	// fail fails units; set before the gate opens.
	fail func(u mirror.Unit) error
}

func newCrowd(t *testing.T, ids ...string) *crowd {
	t.Helper()
	c := &crowd{bundle: synced(t, append([]string{"first"}, ids...)...), gate: make(chan struct{})}
	held := false
	c.onApply = func(u mirror.Unit) error {
		if !held {
			held = true
			<-c.gate
		}
		if c.fail != nil {
			return c.fail(u)
		}
		return nil
	}
	c.edit("first")
	c.webhook(ashby.KindPosting, "first")
	c.pass(time.Millisecond)
	return c
}

func (c *crowd) edit(id string) {
	c.put(ashby.KindPosting, id, map[string]any{"title": "New title of " + id})
}

// open lets everything go on, after all the reads are done.
func (c *crowd) open() {
	c.pass(time.Second)
	close(c.gate)
	c.pass(time.Second)
}

// changed fails the test unless the posting's second event tells its new title.
func (c *crowd) changed(ids ...string) {
	c.t.Helper()
	for _, id := range ids {
		log := c.events(id)
		if len(log) != 2 || log[1].data.Job.Title != "New title of "+id {
			c.t.Errorf("%s: %d events, the last %+v", id, len(log), log[len(log)-1].data.Job.Title)
		}
	}
}

func TestRefreshesThatComeTogetherShareAUnit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ids := []string{"a", "b", "c", "d", "e"}
		c := newCrowd(t, ids...)
		before, runs := c.appliedUnits(), len(c.runs)
		for _, id := range ids {
			c.edit(id)
			c.webhook(ashby.KindPosting, id)
		}
		c.open()
		c.changed(append(ids, "first")...)
		if got := c.appliedUnits() - before; got != 2 {
			t.Errorf("%d units of work, want one for the first and one for those that waited", got)
		}
		if c.openRows() != 0 {
			t.Error("webhooks left unanswered")
		}
		c.pass(2 * diaryEvery)
		for _, r := range c.runs[runs:] {
			if r.Changed != 1 || r.Events != 1 || r.Rows != 1 {
				t.Errorf("run of %s: %d read, %d changed, %d events", r.Object, r.Rows, r.Changed, r.Events)
			}
		}
		if got := len(c.runs) - runs; got != 6 {
			t.Errorf("%d runs noted", got)
		}
	})
}

// TestOneOfAGroupFailsAlone: an answer that makes no sense, a job that changed, and a unit that fails for one posting only.
func TestOneOfAGroupFailsAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCrowd(t, "a", "b", "odd", "renamed", "refused")
		failed := errors.New("this one is refused")
		c.fail = func(u mirror.Unit) error {
			for _, rec := range u.Upserts {
				if rec.ID == "refused" {
					return fmt.Errorf("posting: %w", failed)
				}
			}
			return nil
		}
		for _, id := range []string{"a", "b", "odd", "renamed", "refused"} {
			c.edit(id)
		}
		c.put(ashby.KindPosting, "odd", map[string]any{"isListed": nil})
		c.put(ashby.KindJob, "job-renamed", map[string]any{"confidential": true})
		for _, id := range []string{"a", "b", "odd", "renamed", "refused"} {
			c.webhook(ashby.KindPosting, id)
		}
		c.open()
		c.changed("first", "a", "b")
		if log := c.events("renamed"); len(log) != 2 || c.state("renamed").State != mirror.StateClosed {
			t.Errorf("the confidential job is %s after %d events", c.state("renamed").State, len(log))
		}
		for _, id := range []string{"odd", "refused"} {
			if log := c.events(id); len(log) != 1 {
				t.Errorf("%s: %d events", id, len(log))
			}
		}
		if got := c.openRows(); got != 2 {
			t.Errorf("%d webhooks open, want those of the two that failed", got)
		}
		c.fail = nil
		c.put(ashby.KindPosting, "odd", map[string]any{"isListed": true})
		c.pass(time.Minute)
		c.changed("odd", "refused")
		if c.openRows() != 0 {
			t.Error("what failed alone is not tried again")
		}
	})
}
