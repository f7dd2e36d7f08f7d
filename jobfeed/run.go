package jobfeed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// run is one Subscribe: it keeps a session going, and the events between the sessions.
type run struct {
	Options
	feed    *Feed
	src     source
	lanes   *lanes
	handler Handler
	// mark is what Positions hold.
	mark Mark
	// audited is when the stream was compared with what came.
	audited time.Time

	mu sync.Mutex
	// session is the present one, nil between two; current is the origin of the latest.
	session *session
	current *origin
	// late are acknowledgements for which there was no connection.
	late []delivery
}

// run returns when nothing of it is left.
func (r *run) run(ctx context.Context) error {
	hands, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var wg sync.WaitGroup
	for range r.Parallel {
		wg.Go(func() { r.work(hands) })
	}
	if r.OnCaughtUp != nil {
		wg.Go(func() { r.announce(hands) })
	}
	err := r.read(ctx)
	r.windUp(hands, release)
	wg.Wait()
	return err
}

// announce waits for the moment of OnCaughtUp.
func (r *run) announce(ctx context.Context) {
	select {
	case <-r.lanes.caught.done:
		r.OnCaughtUp()
	case <-ctx.Done():
	}
}

// read keeps a session going until ctx ends, or until NATS refuses for good. The last session stays open.
func (r *run) read(ctx context.Context) error {
	var failures int
	var refused time.Time
	for {
		began := time.Now()
		s, err := r.open(ctx)
		if err == nil {
			if failures > 0 {
				r.Logger.InfoContext(ctx, "events are coming again", "attempts", failures)
			}
			err = s.serve(ctx)
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it is asked to end, which is no error
		}
		if s != nil {
			r.close(ctx, s, errors.Is(err, errStuck) || errors.Is(err, errAnother) || errors.Is(err, errBehind))
			if s.lasted(began) {
				failures, refused = 0, time.Time{}
			}
		}
		if errors.Is(err, errBehind) {
			r.rewind()
		}
		switch {
		case !errors.Is(err, ErrRefused):
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		case time.Since(refused) > r.Patience:
			return fmt.Errorf("refused for %s: %w", r.Patience, err)
		}
		failures++
		wait := backoff(failures, r.pace.reconnect)
		if failures == 1 || failures%20 == 0 {
			r.Logger.WarnContext(ctx, "events do not come; trying again", "error", err, "attempts", failures)
		}
		pause(ctx, wait)
	}
}

// open makes a connection and begins to read.
func (r *run) open(ctx context.Context) (*session, error) {
	l, err := r.feed.link(ctx)
	if err != nil {
		return nil, err
	}
	s, err := r.openOn(ctx, l)
	if err != nil {
		l.close()
		return nil, err
	}
	return s, nil
}

func (r *run) openOn(ctx context.Context, l *link) (*session, error) {
	at, err := r.feed.attach(ctx, l, r.current, r.mark)
	if err != nil {
		return nil, err
	}
	if at.from != r.current {
		if err := r.meet(ctx, at.from); err != nil {
			return nil, err
		}
	}
	s, err := r.begin(l, at)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.session = s
	late := r.late
	r.late = nil
	r.mu.Unlock()
	for _, d := range late {
		r.acknowledge(d)
	}
	if s.fresh == 0 && s.again <= 0 {
		r.lanes.allRead()
	}
	s.refill()
	return s, nil
}

// meet takes note of another consumer or stream than before.
func (r *run) meet(ctx context.Context, from *origin) error {
	if r.current != nil {
		r.Logger.WarnContext(ctx, "NATS or Ashbridge made the consumer or its stream anew; what is known is not handed over again")
	}
	known := !same(r.mark, Mark{})
	if r.src.acknowledges() && known && from.replay != r.mark.Replay {
		r.Logger.InfoContext(ctx, "a replay was asked for; events that were handled are handed over again", "replay", from.replay)
		reset := func() error { return r.Positions.Reset(ctx, from.last) }
		if err := r.lanes.forget(ctx, reset); err != nil {
			return fmt.Errorf("forgetting positions: %w", err)
		}
		r.mark = from.last
	}
	if err := r.reach(ctx, from.last); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.late = from, nil
	return nil
}

// rewind has the next session read all jobs anew.
func (r *run) rewind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.mark.Sequence = nil, 0
}

// reach stores a mark.
func (r *run) reach(ctx context.Context, m Mark) error {
	if same(m, r.mark) {
		return nil
	}
	if err := r.Positions.Reached(ctx, m); err != nil {
		return fmt.Errorf("storing the place in the stream: %w", err)
	}
	r.mark = m
	return nil
}

// close ends a session; the next one goes on where it stopped. Of one that still answers, what is on its way is awaited: a
// subscriber would get it again only after a while.
func (r *run) close(ctx context.Context, s *session, answers bool) {
	if answers && s.link.nc.IsConnected() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.pace.call)
		defer cancel()
		s.end()
		s.flush(ctx)
		r.src.detach(ctx, s.link, s.consumer)
	}
	r.mu.Lock()
	r.session = nil
	r.mu.Unlock()
	s.link.close()
}

// last is the newest message that came from an origin.
func (r *run) last(from *origin) Mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	return from.last
}

// passed notes that a message came and, if need be, is in memory.
func (r *run) passed(d delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &d.from.last
	if d.sequence > m.Sequence {
		m.Sequence, m.Event = d.sequence, d.id
	}
}

// reached is the place up to which all is handled.
func (r *run) reached(from *origin) Mark {
	m := r.last(from)
	first := m.Sequence + 1
	for _, d := range r.lanes.find(from) {
		if d.sequence < first {
			first, m = d.sequence, d.before
		}
	}
	return m
}

// Words of acknowledgement.
const (
	wordDone    = "+ACK"
	wordAgain   = "-NAK"
	wordWorking = "+WPI"
)

// acknowledge tells the server that a delivery is done with, now or when there is a connection again.
func (r *run) acknowledge(d delivery) {
	if r.src.acknowledges() && !r.say(d, wordDone) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if d.from == r.current {
			r.late = append(r.late, d)
		}
	}
}

// giveBack lets the server deliver something again soon, to the next Subscribe.
func (r *run) giveBack(d delivery) {
	if r.src.acknowledges() {
		_ = r.say(d, wordAgain) // else it comes again by itself
	}
}

// say sends a word to the consumer that delivered d, if it is the present one.
func (r *run) say(d delivery, word string) (sent bool) {
	r.mu.Lock()
	s := r.session
	r.mu.Unlock()
	return s != nil && s.from == d.from && s.link.nc.Publish(d.reply, []byte(word)) == nil
}
