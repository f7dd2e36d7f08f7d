package syncer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	diaryEvery = time.Second
	// mostRuns is how many runs wait for the store at most. While it is down, later ones are lost: they are for people to
	// look at, and nothing depends on them.
	mostRuns = 5000
)

// diary collects what is kept of runs, so that a burst of webhooks costs one statement a second.
type diary struct {
	mu       sync.Mutex
	runs     []mirror.Run
	coverage map[string][]mirror.Coverage
}

// note keeps a run and how its changes were found. False: there was no room.
func (d *diary) note(r mirror.Run, cs []mirror.Coverage) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.runs) >= mostRuns {
		return false
	}
	d.runs = append(d.runs, r)
	if len(cs) > 0 {
		if d.coverage == nil {
			d.coverage = map[string][]mirror.Coverage{}
		}
		d.coverage[r.Connection] = append(d.coverage[r.Connection], cs...)
	}
	return true
}

// take empties the diary.
func (d *diary) take() (runs []mirror.Run, coverage map[string][]mirror.Coverage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	runs, coverage = d.runs, d.coverage
	d.runs, d.coverage = nil, nil
	return runs, coverage
}

// writeDiary stores what was collected. What cannot be stored is dropped.
func (s *Syncer) writeDiary(ctx context.Context) error {
	runs, coverage := s.diary.take()
	var errs []error
	if len(runs) > 0 {
		if err := s.opts.Diary.NoteRuns(ctx, runs); err != nil {
			s.opts.Metrics.lostRuns.Add(float64(len(runs)))
			errs = append(errs, fmt.Errorf("noting runs: %w", err))
		}
	}
	for connection, cs := range coverage {
		if err := s.opts.Diary.NoteCoverage(ctx, connection, summed(cs)); err != nil {
			errs = append(errs, fmt.Errorf("noting how changes were found: %w", err))
		}
	}
	return errors.Join(errs...)
}

// closeDiary stores what is left when the syncer ends.
func (s *Syncer) closeDiary(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := s.writeDiary(ctx); err != nil {
		s.log.WarnContext(ctx, "the last runs were not noted", "error", err)
	}
}

// summed has one count of each action.
func summed(cs []mirror.Coverage) []mirror.Coverage {
	at := map[string]int{}
	var sum []mirror.Coverage
	for _, c := range cs {
		i, known := at[c.Action]
		if !known {
			at[c.Action] = len(sum)
			sum = append(sum, c)
			continue
		}
		sum[i].ByWebhook += c.ByWebhook
		sum[i].ByPoll += c.ByPoll
	}
	return sum
}

// note keeps a run that has ended.
func (d *desk) note(a access, r mirror.Run) {
	if a.tally == nil {
		return
	}
	r.Connection = d.connection
	cs := a.tally.coverages()
	for _, c := range cs {
		d.s.opts.Metrics.covered(d.connection, c)
	}
	d.s.opts.Metrics.connections.ran(d.connection, outcome(r.Outcome), a.tally.trace.Failures())
	if !d.s.diary.note(a.tally.run(r), cs) {
		d.s.opts.Metrics.lostRuns.Inc()
	}
}
