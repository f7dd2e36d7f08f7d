package notifier

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// expireBatch is how many jobs are removed from the stream before the outbox has its turn again.
	expireBatch = 100
	// expireRetry is the longest pause after a failure.
	expireRetry = time.Minute
)

func (r *relay) expiryDue() bool { return !time.Now().Before(r.nextExpiry) }

// expire removes jobs that were closed long ago from the stream. What goes wrong is logged here and tried again later,
// since it must not keep events from being published. It stays due while there may be more.
func (r *relay) expire(ctx context.Context) {
	pause := r.ExpireEvery
	err := r.expireSome(ctx, &pause)
	if err != nil {
		pause = min(r.ExpireEvery, expireRetry)
		if ctx.Err() == nil {
			r.Logger.ErrorContext(ctx, "long closed jobs not removed from the stream", "error", err)
		}
	}
	if pause > 0 {
		r.nextExpiry = time.Now().Add(pause)
	}
}

// expireSome removes up to expireBatch jobs, and sets pause to zero where there may be more to do at once.
//
// A crash before the store has forgotten them leaves jobs that the store believes to be in the stream. The repair does
// not bring them back, since the log leaves them out, and the next look removes them once more, to no effect.
func (r *relay) expireSome(ctx context.Context, pause *time.Duration) error {
	jobs, err := r.Store.Expired(ctx, mirror.ClosedKept, expireBatch)
	if err != nil {
		return r.storeError("looking for long closed jobs", err)
	}
	if len(jobs) == 0 {
		return nil
	}
	// Whatever the stream lost so far is to be seen before its messages become fewer on purpose.
	if err := r.noted(); err != nil {
		return err
	}
	if err := r.audit(ctx); err != nil {
		return err
	}
	if !r.synced {
		*pause = 0
		return nil
	}
	if err := r.remove(ctx, jobs); err != nil {
		return err
	}
	if err := r.Store.Forgotten(ctx, jobs); err != nil {
		return r.storeError("forgetting long closed jobs", err)
	}
	r.metrics.expired.Add(float64(len(jobs)))
	r.Logger.InfoContext(ctx, "removed long closed jobs from the stream", "jobs", len(jobs))
	if len(jobs) == expireBatch {
		*pause = 0
	}
	return nil
}

// remove takes all messages of the jobs out of the stream: without its last message alone, the one before would say that
// the job is open. Afterwards the audit measures by what is left.
func (r *relay) remove(ctx context.Context, jobs []mirror.Place) error {
	// Should this fail halfway, nobody knows how many messages the stream should hold; comparing it with the log tells
	// what was lost from what was removed.
	census := r.census
	r.synced, r.compare = false, true
	if err := r.uncount(ctx); err != nil {
		return err
	}
	for _, j := range jobs {
		// Should another relay be at work by now, whatever it published lies behind our last sequence and stays.
		if err := r.Bus.DropBefore(ctx, j.Subject(), r.last+1); err != nil {
			return r.busError("removing a long closed job", err)
		}
		census.set(j.Subject(), 0, 0)
	}
	r.census = census
	// On a new connection the server may have been restarted meanwhile, and lost more than was removed.
	again := r.Bus.Generation() != r.generation
	if err := r.startFrom(ctx); err != nil {
		return err
	}
	r.compare = again
	return nil
}
