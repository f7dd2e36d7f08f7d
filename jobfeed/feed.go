package jobfeed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Feed is a way to Ashbridge's events. Use Open.
type Feed struct {
	o   Options
	src source

	mu sync.Mutex
	// spare is a connection that nobody uses: the one with which Open looked.
	spare  *link
	busy   bool
	closed bool
}

// Open connects to NATS and looks whether it may read. Its errors say what to do: ErrRefused, ErrNoConsumer, ErrNoStream,
// ErrUnreachable, or what is wrong with the options. It tries once, so that a wrong password shows at once; a program
// that may start before NATS calls it again.
func Open(ctx context.Context, o Options) (*Feed, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	f := &Feed{o: o, src: newStream(o.subjects())}
	if o.User != "" {
		f.src = durable{name: o.User}
	}
	l, err := o.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the feed: %w", err)
	}
	at, err := f.attach(ctx, l, nil, Mark{})
	if err != nil {
		l.close()
		return nil, fmt.Errorf("opening the feed: %w", err)
	}
	f.src.detach(ctx, l, at.consumer)
	f.spare = l
	return f, nil
}

// attach bounds the source's calls.
func (f *Feed) attach(ctx context.Context, l *link, before *origin, mark Mark) (attachment, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*f.o.pace.call)
	defer cancel()
	at, err := f.src.attach(ctx, l, before, mark)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		// The library loses a refused request's reason to its own timeout.
		err = l.reason(err)
	}
	return at, err
}

// link returns a connection, the spare one where it lives.
func (f *Feed) link(ctx context.Context) (*link, error) {
	f.mu.Lock()
	spare := f.spare
	f.spare = nil
	f.mu.Unlock()
	if spare != nil {
		if spare.nc.IsConnected() {
			return spare, nil
		}
		spare.close()
	}
	return f.o.connect(ctx)
}

// Subscribe hands every event to h until ctx ends: first the latest state of each job that is not known from Positions,
// then each change as it comes. Interruptions of any length are waited out.
//
// It returns nil once ctx has ended and all handlers returned, having acknowledged what they finished: those that run
// may finish within Options.Grace, no further one begins. Any other return is an error that trying again does not mend,
// such as ErrRefused, or one of Positions.Load. One Subscribe runs at a time.
func (f *Feed) Subscribe(ctx context.Context, h Handler) error {
	if err := f.claim(); err != nil {
		return err
	}
	defer f.release()
	position, err := f.o.Positions.Load(ctx)
	if err != nil {
		return fmt.Errorf("loading positions: %w", err)
	}
	r := &run{Options: f.o, feed: f, src: f.src, handler: h, mark: position.Mark, audited: time.Now()}
	r.lanes = newLanes(f.o.pace.retry, position.Versions)
	r.lanes.let, r.lanes.giveBack = r.acknowledge, r.giveBack
	return r.run(ctx)
}

func (f *Feed) claim() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return errClosed
	case f.busy:
		return ErrBusy
	}
	f.busy = true
	return nil
}

func (f *Feed) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = false
}

// Close ends the feed. Subscribe must have returned: else the error is ErrBusy.
func (f *Feed) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy {
		return ErrBusy
	}
	f.closed = true
	if f.spare != nil {
		f.spare.close()
		f.spare = nil
	}
	return nil
}
