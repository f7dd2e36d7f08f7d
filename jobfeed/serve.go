package jobfeed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// serve watches over the session until it fails or ctx ends.
func (s *session) serve(ctx context.Context) error {
	c := s.newClock()
	defer c.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.link.down:
			return s.link.err
		case now := <-c.C:
			if err := s.tick(ctx, c, now); err != nil {
				return err
			}
		}
	}
}

// clock says what is due.
type clock struct {
	*time.Ticker
	touched, probed, reached time.Time
}

func (s *session) newClock() *clock {
	period := min(s.pace.heartbeat/2, s.pace.reached)
	if s.ackWait > 0 {
		period = min(period, s.ackWait/6)
	}
	now := time.Now()
	return &clock{Ticker: time.NewTicker(max(period, time.Millisecond)), touched: now, probed: now, reached: now}
}

func (s *session) tick(ctx context.Context, c *clock, now time.Time) error {
	if s.silent(now) {
		return fmt.Errorf("%w: %w", ErrUnreachable, errSilent)
	}
	s.touch(c, now)
	if now.Sub(c.reached) >= s.pace.reached {
		c.reached = now
		s.store(ctx)
	}
	var err error
	switch {
	case s.probeDue(c, now):
		c.probed = now
		err = s.probe(ctx)
	case s.auditDue(now):
		s.audited = now
		if err = s.audit(ctx); !errors.Is(err, errBehind) && err != nil {
			s.Logger.WarnContext(ctx, "the stream could not be compared with what was handed over", "error", err)
			err = nil
		}
	}
	if err != nil && ctx.Err() == nil {
		return s.link.reason(err)
	}
	s.refill()
	return nil
}

// touch tells the server every third of its patience that what is in memory is being worked on.
func (s *session) touch(c *clock, now time.Time) {
	if s.ackWait == 0 || now.Sub(c.touched) < s.ackWait/3 {
		return
	}
	c.touched = now
	for _, d := range s.lanes.findAlive(s.from) {
		s.say(d, wordWorking)
	}
}

// store notes how far everything is handled, where the server does not.
func (s *session) store(ctx context.Context) {
	if s.src.acknowledges() {
		return
	}
	if err := s.reach(ctx, s.reached(s.from)); err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "positions fail; trying again", "error", err)
	}
}

// probeDue says whether nothing came for long enough; until all that lay in the stream has come, that is a moment.
func (s *session) probeDue(c *clock, now time.Time) bool {
	patience := s.pace.probe
	if !s.lanes.isRead() {
		patience = min(patience, time.Second)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.came) >= patience && now.Sub(c.probed) >= patience
}

// lasted says whether the session was of use, so that the next attempt need not wait long.
func (s *session) lasted(began time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got || time.Since(began) > s.pace.heartbeat
}

// windUp lets the handlers finish, gives the rest back, and ends the last session.
func (r *run) windUp(hands context.Context, release context.CancelFunc) {
	left, idle := r.lanes.stop()
	for _, d := range left {
		r.giveBack(d)
	}
	r.mu.Lock()
	s := r.session
	r.mu.Unlock()
	if s != nil {
		s.end() // what still comes is given back, too
	}
	r.await(s, idle, release)
	r.lanes.dismiss()
	if s != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(hands), r.pace.call)
		defer cancel()
		s.store(ctx)
		r.close(ctx, s, true)
	}
	release()
}

// await waits for the handlers that run; after Grace their context ends.
func (r *run) await(s *session, idle <-chan struct{}, release context.CancelFunc) {
	grace := time.AfterFunc(r.Grace, release)
	defer grace.Stop()
	if s == nil {
		<-idle
		return
	}
	c := s.newClock()
	defer c.Stop()
	for {
		select {
		case <-idle:
			return
		case now := <-c.C:
			s.touch(c, now)
		}
	}
}

// work handles events until there are none any more.
func (r *run) work(ctx context.Context) {
	for {
		w, ok := r.lanes.next()
		if !ok {
			return
		}
		err := r.handle(ctx, w)
		pause := r.lanes.finish(w.queue, err == nil)
		if err != nil {
			r.Logger.WarnContext(ctx, "event was not handled; trying again",
				"key", w.as.key, "version", w.as.version, "attempt", w.attempt, "pause", pause, "error", err)
		}
		r.mu.Lock()
		s := r.session
		r.mu.Unlock()
		if s != nil {
			s.refill()
		}
	}
}

// handle calls the handler, and then Positions.
func (r *run) handle(ctx context.Context, w work) error {
	if w.event == nil && !w.handled {
		e, err := decode(w.as)
		if err != nil {
			// A message that breaks the contract would fail for ever. The job's next event makes up for it.
			r.Logger.ErrorContext(ctx, "passed over an event that cannot be read",
				"key", w.as.key, "version", w.as.version, "id", w.as.id, "error", err)
			w.handled = true
		}
		w.event = &e
	}
	if !w.handled {
		e := *w.event
		e.Missed, e.Attempt = w.missed, w.attempt
		if err := r.handler(ctx, e); errors.Is(err, Skip) {
			r.Logger.WarnContext(ctx, "event was skipped", "key", w.as.key, "version", w.as.version, "reason", err)
		} else if err != nil {
			return err
		}
		w.handled = true
	}
	if err := r.Positions.Handled(ctx, w.as.key, w.as.version); err != nil {
		return fmt.Errorf("storing the version: %w", err)
	}
	return nil
}
