package syncer

import (
	"context"
	"errors"
	"sync"
)

// gather answers calls in groups: those that come while one group is being answered are the next. A call alone waits for
// nobody, and what any of them is told was found out after it had been made.
type gather[In, Out any] struct {
	// answer answers a group, in its order. An error concerns all of it.
	answer func(ctx context.Context, group []In) ([]Out, error)
	// most is how many calls make a group at most.
	most int

	mu      sync.Mutex
	busy    bool
	waiting []*call[In, Out]
}

// call waits until it is answered, or until it is to answer the next group itself.
type call[In, Out any] struct {
	in   In
	lead chan struct{}
	done chan struct{}
	out  Out
	err  error
}

// do returns the answer to one call.
func (g *gather[In, Out]) do(ctx context.Context, in In) (Out, error) {
	for {
		c, err := g.enter(ctx, in)
		if err != nil {
			var none Out
			return none, err
		}
		// Who led the group may have run out of time while we have some.
		if c.err != nil && ctx.Err() == nil && (errors.Is(c.err, context.Canceled) || errors.Is(c.err, context.DeadlineExceeded)) && !c.led() {
			continue
		}
		return c.out, c.err
	}
}

// enter puts a call in line and returns it answered. An error is the context's.
func (g *gather[In, Out]) enter(ctx context.Context, in In) (*call[In, Out], error) {
	c := &call[In, Out]{in: in, lead: make(chan struct{}), done: make(chan struct{})}
	g.mu.Lock()
	if !g.busy {
		g.busy = true
		close(c.lead)
	} else {
		g.waiting = append(g.waiting, c)
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		return c, nil
	case <-c.lead:
		g.answerGroup(ctx, c)
		return c, nil
	case <-ctx.Done():
		g.leave(c)
		return nil, ctx.Err()
	}
}

// led says that the call answered its group itself.
func (c *call[In, Out]) led() bool {
	select {
	case <-c.lead:
		return true
	default:
		return false
	}
}

// answerGroup answers a call and those that wait, and has the first of those that came meanwhile answer the next group.
func (g *gather[In, Out]) answerGroup(ctx context.Context, leader *call[In, Out]) {
	g.mu.Lock()
	n := min(len(g.waiting), g.most-1)
	group := append([]*call[In, Out]{leader}, g.waiting[:n]...)
	g.waiting = g.waiting[n:]
	g.mu.Unlock()
	ins := make([]In, len(group))
	for i, c := range group {
		ins[i] = c.in
	}
	outs, err := g.answer(ctx, ins)
	for i, c := range group {
		if c.err = err; err == nil {
			c.out = outs[i]
		}
		close(c.done)
	}
	g.passOn()
}

// passOn has the first call that waits lead the next group.
func (g *gather[In, Out]) passOn() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.busy, g.waiting = false, nil
		return
	}
	next := g.waiting[0]
	g.waiting = g.waiting[1:]
	close(next.lead)
}

// leave takes out a call that waits no longer. One that was to lead passes that on; one that is being answered is left to
// be answered.
func (g *gather[In, Out]) leave(c *call[In, Out]) {
	g.mu.Lock()
	for i, w := range g.waiting {
		if w == c {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			g.mu.Unlock()
			return
		}
	}
	g.mu.Unlock()
	if c.led() {
		g.passOn()
	}
}
