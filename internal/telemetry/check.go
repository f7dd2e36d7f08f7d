package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// checkTimeout is how long a round of checks may take. Probes of the usual supervisors give up after one to ten
// seconds, and a slow answer tells them less than a clear one.
const checkTimeout = 2 * time.Second

// The results of a check, as /readyz shows them. The cause of a failure goes to the log, not into the answer.
const (
	stateOK      = "ok"
	stateFailed  = "failed"
	stateTimeout = "timeout"
)

// Check is one condition of being ready.
type Check struct {
	// Name is what /readyz calls it; it is unique in its process.
	Name string
	// Run returns nil when the condition holds. It should honour ctx, which ends after two seconds.
	Run func(ctx context.Context) error
	// Advisory says that the process may be given work while the condition does not hold: it is shown, and told of in the
	// metrics, and /readyz answers 200.
	Advisory bool
}

var errStopping = errors.New("the process is stopping")

// Running is the check that a process is not being stopped: it holds until ctx ends.
func Running(ctx context.Context) Check {
	return Check{Name: "running", Run: func(context.Context) error {
		if ctx.Err() != nil {
			return errStopping
		}
		return nil
	}}
}

// checker runs one check, at most once at a time: a check that does not honour its context must not pile up.
type checker struct {
	check  Check
	logger *slog.Logger

	mu      sync.Mutex
	running chan struct{} // closed when the run under way ends; nil when there is none
	last    error
	failing bool
}

// run is the state of the check within ctx. It starts the check in wg unless an earlier run is still under way.
func (c *checker) run(ctx context.Context, wg *sync.WaitGroup) string {
	done := c.start(ctx, wg)
	select {
	case <-done:
	case <-ctx.Done():
		c.note(ctx, stateTimeout, ctx.Err())
		return stateTimeout
	}
	c.mu.Lock()
	err := c.last
	c.mu.Unlock()
	state := stateOK
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		state = stateTimeout
	case err != nil:
		state = stateFailed
	}
	c.note(ctx, state, err)
	return state
}

// start begins a run or joins the one under way.
func (c *checker) start(ctx context.Context, wg *sync.WaitGroup) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		return c.running
	}
	done := make(chan struct{})
	c.running = done
	wg.Go(func() {
		err := c.check.Run(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last, c.running = err, nil
		close(done)
	})
	return done
}

// note logs a check that begins to fail or holds again; a probe comes every few seconds, so the states between are
// silent.
func (c *checker) note(ctx context.Context, state string, err error) {
	failing := state != stateOK
	c.mu.Lock()
	changed := failing != c.failing
	c.failing = failing
	c.mu.Unlock()
	switch {
	case changed && failing:
		c.logger.WarnContext(ctx, "readiness check fails", "check", c.check.Name, "state", state, "error", err)
	case changed:
		c.logger.InfoContext(ctx, "readiness check holds again", "check", c.check.Name)
	}
}
