// Package loop runs work again and again until its context ends. Its loops never start a goroutine, never panic and
// return only between two rounds of work, so that whoever waits for them knows that nothing is going on any more.
package loop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Options shape a loop.
type Options struct {
	// Interval is the pause between the end of one round and the beginning of the next; it must be positive.
	Interval time.Duration
	// Jitter is the fraction of Interval, from 0 to below 1, by which each pause is randomly longer or shorter, so
	// that replicas started together do not stay in step.
	Jitter float64
	// Offset delays the first round by a random time from 0 to Offset. Zero means that it runs at once.
	Offset time.Duration
	// OnError is told of every round that failed; it logs and counts. The loop goes on. Nil drops the errors.
	OnError func(ctx context.Context, err error)
}

// validate says what is wrong with the options.
func (o Options) validate() error {
	switch {
	case o.Interval <= 0:
		return fmt.Errorf("loop interval %s is not positive", o.Interval)
	case o.Jitter < 0 || o.Jitter >= 1:
		return fmt.Errorf("loop jitter %g is not in [0, 1)", o.Jitter)
	case o.Offset < 0:
		return fmt.Errorf("loop offset %s is negative", o.Offset)
	}
	return nil
}

// Every calls work once, at once, and then after each interval until ctx ends. It returns nil when ctx has ended, which
// is a loop's ordinary end, and an error only for options that make no sense. A round under way when ctx ends is waited
// for, and its error is not reported: it most likely says no more than that ctx ended.
func Every(ctx context.Context, opts Options, work func(ctx context.Context) error) error {
	if err := opts.validate(); err != nil {
		return err
	}
	if work == nil {
		return errors.New("loop without work")
	}
	pause := time.Duration(0)
	if opts.Offset > 0 {
		pause = rand.N(opts.Offset)
	}
	for Sleep(ctx, pause) == nil {
		if err := work(ctx); err != nil && ctx.Err() == nil && opts.OnError != nil {
			opts.OnError(ctx, err)
		}
		pause = spread(opts.Interval, opts.Jitter)
	}
	return nil
}

// Sleep waits for d, or returns the context's error as soon as it has ended, also when d is zero or negative.
func Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// spread is d made randomly longer or shorter by at most the fraction jitter.
func spread(d time.Duration, jitter float64) time.Duration {
	if jitter <= 0 {
		return d
	}
	return time.Duration(float64(d) * (1 + jitter*(2*rand.Float64()-1)))
}
