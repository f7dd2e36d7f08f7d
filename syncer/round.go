package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// mostUnanswered is how many reads in a row may go unanswered before a slice ends: it is not a single object then that
// Ashby fails on.
const mostUnanswered = 3

// round is how far a connection's reading of everything that is not polled is: it takes as many slices as it needs. It
// lives in memory, since a new one loses nothing but requests. One that has lasted for an interval is followed by the
// next, so that many children keep no listing waiting.
//
// What cannot be read is passed over for the rest of the round, and the others do not wait for it.
type round struct {
	began time.Time

	mu sync.Mutex
	// listings are those that are read or passed over, objects the single ones.
	listings map[mirror.PassKey]bool
	objects  map[mirror.RecordKey]bool
	// refused are the permissions that the key was found to lack.
	refused map[string]bool
	// failed is what the first thing that was passed over failed with; wants says of each module what it came to.
	failed error
	wants  map[string]string
	// unanswered counts the reads in a row that Ashby did not answer; ofKind does the same of each kind's children.
	unanswered int
	ofKind     map[string]int
}

// currentRound is the round that is under way, or a new one.
func (d *desk) currentRound(interval time.Duration) *round {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.round == nil || time.Since(d.round.began) >= interval {
		d.round = &round{
			began: time.Now(), listings: map[mirror.PassKey]bool{}, objects: map[mirror.RecordKey]bool{},
			refused: map[string]bool{},
		}
	}
	return d.round
}

func (d *desk) endRound() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.round = nil
}

func (r *round) hasListing(key mirror.PassKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.listings[key]
}

func (r *round) hasObject(key mirror.RecordKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.objects[key]
}

// listingDone and objectDone leave something alone until the next round.
func (r *round) listingDone(key mirror.PassKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listings[key] = true
}

func (r *round) objectDone(key mirror.RecordKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.objects[key] = true
}

// isRefused says that the key lacks a permission.
func (r *round) isRefused(scope string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused[scope]
}

// refuse notes that the key lacks a permission; false where that is known.
func (r *round) refuse(scope string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.refused[scope]
	r.refused[scope] = true
	return !known
}

// unansweredOf counts parents in a row whose children of a kind Ashby did not show, and says that they are too many to ask
// for others in this round; answeredOf forgets them.
func (r *round) unansweredOf(kind string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ofKind == nil {
		r.ofKind = map[string]int{}
	}
	r.ofKind[kind]++
	return r.ofKind[kind] >= mostUnanswered
}

func (r *round) answeredOf(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ofKind, kind)
}

// answered notes that Ashby answers.
func (r *round) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unanswered = 0
}

// passOver notes a failure that concerns one thing alone, and returns nil; or returns the error, where it is not one
// thing alone that fails.
func (r *round) passOver(ctx context.Context, err error) error {
	tooLong := errors.Is(err, errSliceOver)
	if !tooLong && !concernsOne(ctx, err) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
	if tooLong { // it took all the time there was, and the slice with it
		return err
	}
	if !isUnanswered(err) {
		r.unanswered = 0
		return nil
	}
	if r.unanswered++; r.unanswered >= mostUnanswered {
		r.unanswered = 0
		return err
	}
	return nil
}

// failure is what the round failed with, nil if it read everything.
func (r *round) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// wanting notes why a module was not read whole; wantOf returns the first such sentence.
func (r *round) wanting(module, sentence string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wants == nil {
		r.wants = map[string]string{}
	}
	if r.wants[module] == "" {
		r.wants[module] = sentence
	}
}

func (r *round) wantOf(module string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wants[module]
}

// concernsOne says that an error may be the fault of the one object or listing that was asked for: Ashby may fail on it
// time and again while it answers everything else.
func concernsOne(ctx context.Context, err error) bool {
	if errors.Is(err, ashby.ErrRateLimited) {
		return false
	}
	return isLocal(ctx, err) || ctx.Err() == nil && isUnanswered(err)
}
