package syncer

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// day is how often an unchanged posting is read again: names and pay can change without a new updatedAt.
	day = 24 * time.Hour
	// longestReread bounds what one poll makes up for.
	longestReread = 4 * time.Hour
)

// rereadUnchanged reads the unchanged postings again whose minute of the day has come since the last poll, so that all of
// them are read once a day, in small slices.
func (p *poll) rereadUnchanged(ctx context.Context, unchanged []string) error {
	state, err := p.d.s.opts.Progress.SyncState(ctx, p.connection.ID)
	if err != nil {
		return fmt.Errorf("reading the sync state: %w", err)
	}
	if state.RereadUntil == nil { // everything has just been read for the first time
		p.reread = p.started
		return nil
	}
	from := *state.RereadUntil
	to := p.started
	if to.Sub(from) > longestReread {
		to = from.Add(longestReread)
	}
	if oldest := p.started.Add(-day); from.Before(oldest) { // everything is due, and once is enough
		from, to = oldest, oldest.Add(longestReread)
	}
	var due []string
	for _, id := range unchanged {
		if isDue(id, from, to) {
			due = append(due, id)
		}
	}
	if err := p.readEach(ctx, due, func(ctx context.Context, i int) error { return p.readAgain(ctx, due[i]) }); err != nil {
		return fmt.Errorf("reading unchanged postings again: %w", err)
	}
	p.result.reread, p.reread = len(due), to
	return nil
}

// isDue says whether a posting's minute of the day lies after from and not after to.
func isDue(id string, from, to time.Time) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	offset := time.Duration(h.Sum32()%uint32(day/time.Minute)) * time.Minute
	at := from.UTC().Truncate(day).Add(offset)
	if !at.After(from) {
		at = at.Add(day)
	}
	return !at.After(to)
}

// readAgain reads a posting that the listing shows as it was.
func (p *poll) readAgain(ctx context.Context, id string) error {
	read, err := p.readPosting(ctx, id)
	if isNotFound(err) { // deleted since the listing, or a contradiction: the next listing tells
		return fmt.Errorf("%w: posting %s is listed and unknown", mirror.ErrImplausible, id)
	}
	if err != nil {
		return err
	}
	return p.applyPosting(ctx, read, mirror.Unit{})
}

// isPolled says whether polls read a kind's listing.
func isPolled(kind ashby.Kind) bool {
	for _, k := range polled {
		if k == kind {
			return true
		}
	}
	return false
}
