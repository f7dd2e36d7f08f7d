package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	// sliceTime bounds a slice, so that the employers take turns, and sliceRequests what is lost with one. As many take
	// as long at the pace that Ashby allows background calls: with fewer, the pauses would be a good part of the time.
	sliceRequests = 200
	sliceTime     = 20 * time.Second
	// sliceGrace is how much longer the last request of a slice may take, a wait for a brake included.
	sliceGrace = 40 * time.Second
	// slicePause is between two slices of a round that is not done.
	slicePause = 2 * time.Second
	// sweepAfter is how long after a full reading of a listing the next one begins.
	sweepAfter = 23 * time.Hour
)

// errSliceOver ends the last request of a slice.
var errSliceOver = fmt.Errorf("the slice is over: %w", context.DeadlineExceeded)

// slice is a part of a round.
type slice struct {
	*run
	*round
	budget *budget
	states map[string]mirror.ModuleState
}

// sliceResult is what a slice came to.
type sliceResult struct {
	// done says that the round is, failed what it could not read.
	done   bool
	failed error
}

// slice reads some of what is not polled: opt-in modules, children of what changed, what is in quarantine, and the full
// readings that find what is gone.
func (d *desk) slice(ctx context.Context, a access) (sliceResult, error) {
	r, err := d.newRun(ctx, a, events.OriginPoll)
	if err != nil {
		return sliceResult{}, err
	}
	if err := d.s.opts.Slices.StartRecords(ctx, d.mandate(), sliceClaim); err != nil {
		return sliceResult{}, fmt.Errorf("starting a slice: %w", err)
	}
	states, err := d.s.opts.Slices.ModuleStates(ctx, d.connection)
	if err != nil {
		return sliceResult{}, fmt.Errorf("reading the states of the modules: %w", err)
	}
	if err := r.loadQuarantine(ctx); err != nil {
		return sliceResult{}, err
	}
	s := &slice{
		run: &r, round: d.currentRound(max(a.connection.PollInterval, pollMin)), states: states,
		budget: &budget{requests: sliceRequests, until: time.Now().Add(sliceTime)},
	}
	done, err := s.work(ashby.WithBackground(ctx))
	if err != nil || !done {
		return sliceResult{}, err
	}
	d.endRound()
	return sliceResult{done: true, failed: s.failure()}, nil
}

// work goes through the steps of a round. False without an error: it goes on in the next slice.
func (s *slice) work(ctx context.Context) (bool, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, sliceTime+sliceGrace, errSliceOver)
	defer cancel()
	for _, step := range []func(context.Context) (bool, error){
		s.retryQuarantined, s.listings, s.resumeModules, s.sweeps, s.children, s.concludeModules,
	} {
		if done, err := step(bounded); err != nil || !done {
			if errors.Is(err, errSliceOver) && ctx.Err() == nil {
				err = nil
			}
			return false, err
		}
	}
	return true, nil
}

// own are the kinds that slices read at every round: what the modules ask for and polls leave out.
func (s *slice) own() []ashby.Resource {
	var kinds []ashby.Resource
	for _, res := range ashby.Catalogue() {
		if res.Parent == "" && res.Kind != ashby.KindPosting && !isPolled(res.Kind) && res.In(s.connection.Modules) {
			kinds = append(kinds, res)
		}
	}
	return kinds
}

// listings reads each listing once a round.
func (s *slice) listings(ctx context.Context) (bool, error) {
	for _, res := range s.own() {
		for _, l := range listingsOf(res) {
			if done, err := s.once(ctx, l, false); err != nil || !done {
				return false, err
			}
		}
	}
	return true, nil
}

// sweeps reads in full, once a day, what is otherwise read incrementally.
func (s *slice) sweeps(ctx context.Context) (bool, error) {
	for _, res := range ashby.Catalogue() {
		if !res.SyncToken || res.Parent != "" || !res.In(s.connection.Modules) {
			continue
		}
		for _, l := range listingsOf(res) {
			due, err := s.sweepDue(ctx, l)
			if err != nil {
				return false, err
			}
			if !due {
				continue
			}
			if done, err := s.once(ctx, l, true); err != nil || !done {
				return false, err
			}
		}
	}
	return true, nil
}

func (s *slice) sweepDue(ctx context.Context, l listing) (bool, error) {
	before, err := s.d.s.opts.Passes.Swept(ctx, s.connection.ID, l.kind(), l.variant)
	if err != nil {
		return false, fmt.Errorf("reading the last full reading: %w", err)
	}
	return before == nil || time.Since(before.FinishedAt) >= sweepAfter, nil
}

// once reads a listing unless this round has, or found that the key may not.
func (s *slice) once(ctx context.Context, l listing, sweep bool) (bool, error) {
	key := l.key(sweep)
	if s.hasListing(key) || s.isRefused(l.res.Scope) {
		return true, nil
	}
	done, err := s.readListing(ctx, l, sweep, s.budget)
	if err == nil && !done {
		return false, nil
	}
	if err == nil {
		s.answered()
	} else if err = s.leaveOut(ctx, l.res, err); err != nil && !errors.Is(err, errSliceOver) {
		return false, err
	}
	s.listingDone(key) // one that takes longer than a slice has time is left to the next round, too
	return err == nil, err
}

// leaveOut settles the failure of a listing or of an object of a kind: nil where the others may go on.
func (s *slice) leaveOut(ctx context.Context, res ashby.Resource, err error) error {
	if s.lacksPermission(ctx, err) {
		return s.pauseModule(ctx, res, err)
	}
	s.d.log.WarnContext(ctx, "left out for now", "kind", res.Kind, "error", brief(err))
	if _, sentence := judge(context.WithoutCancel(ctx), err); sentence != "" {
		s.wanting(moduleOf(res, s.connection.Modules), "Some of it could not be read and is tried again: "+sentence)
	}
	return s.passOver(ctx, err)
}
