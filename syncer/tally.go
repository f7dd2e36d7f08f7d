package syncer

import (
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// tally counts what one run did. It is safe for concurrent use.
type tally struct {
	trace ashby.Trace

	mu                    sync.Mutex
	rows, changed, events int
	coverage              map[string]mirror.Coverage
}

// read counts objects that Ashby showed.
func (t *tally) read(rows int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows += rows
}

// applied counts what a unit of work changed.
func (t *tally) applied(done mirror.Applied) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed += done.Records
	t.events += done.Events
}

// found counts a change that a webhook of this type should have told.
func (t *tally) found(action string, byWebhook bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.coverage == nil {
		t.coverage = map[string]mirror.Coverage{}
	}
	c := t.coverage[action]
	c.Action = action
	if byWebhook {
		c.ByWebhook++
	} else {
		c.ByPoll++
	}
	t.coverage[action] = c
}

// coverages are the counts so far.
func (t *tally) coverages() []mirror.Coverage {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]mirror.Coverage, 0, len(t.coverage))
	for _, c := range t.coverage {
		all = append(all, c)
	}
	return all
}

// run is what the diary keeps of the run.
func (t *tally) run(r mirror.Run) mirror.Run {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Rows, r.Changed, r.Events = t.rows, t.changed, t.events
	r.Requests, r.RequestIDs = t.trace.Requests(), t.trace.RequestIDs()
	r.FinishedAt = time.Now()
	return r
}
