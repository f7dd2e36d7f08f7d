package jobfeed

import (
	"context"
	"slices"
)

// rest notes that the last handler ended.
func (l *lanes) rest() {
	if l.running == 0 && (l.stopped || l.paused) {
		close(l.idle)
	}
}

// stop has no further event handled and returns those that are not being handled. They stay in memory, so that the place
// up to which all was handled is known. The channel is closed once all handlers have returned.
func (l *lanes) stop() (left []delivery, idle <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.caught.over = true
	for _, q := range l.queues {
		for _, it := range q.waiting() {
			left = append(left, it.delivery)
		}
	}
	return left, l.halt()
}

// halt has nothing offered any more. The channel is closed once nothing is being handled.
func (l *lanes) halt() (idle <-chan struct{}) {
	l.ready = nil
	for _, q := range l.queues {
		if q.timer != nil {
			q.timer.Stop()
			q.timer = nil
		}
	}
	l.idle = make(chan struct{})
	if l.running == 0 {
		close(l.idle)
	}
	return l.idle
}

// waiting are the events of a queue that are not being handled.
func (q *queue) waiting() []*item {
	if q.running {
		return q.items[1:]
	}
	return q.items
}

// forget drops all that is in memory and what was handled, since everything is to be handed over again. It waits for
// the handlers that run, so that none of them is noted as handled afterwards, and calls reset when none does. Nothing
// may be accepted meanwhile.
func (l *lanes) forget(ctx context.Context, reset func() error) error {
	l.mu.Lock()
	l.paused = true
	idle := l.halt()
	l.clear()
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.paused = false
		l.mu.Unlock()
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := reset(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.versions)
	return nil
}

// clear drops what is not being handled.
func (l *lanes) clear() {
	for _, q := range l.queues {
		waiting := q.waiting()
		l.held -= len(waiting)
		q.items = q.items[:len(q.items)-len(waiting)]
		if len(q.items) == 0 {
			delete(l.queues, q.key)
		}
	}
	l.caught.unread()
}

// dismiss sends whoever waits for work home.
func (l *lanes) dismiss() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dismissed = true
	l.more.Broadcast()
}

// size says how many events are in memory, and how many of them wait for a free handler.
func (l *lanes) size() (held, ready int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held, len(l.ready)
}

// known is the highest version of a key that came.
func (l *lanes) known(key string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q := l.queues[key]; q != nil {
		return q.items[len(q.items)-1].version
	}
	return l.versions[key]
}

// jumped says whether a version did not follow the one before since it was asked last.
func (l *lanes) jumped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	jumped := l.jump
	l.jump = false
	return jumped
}

// find returns the delivery of each event in memory that came from an origin.
func (l *lanes) find(from *origin) []delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]delivery, 0, l.held)
	for _, q := range l.queues {
		for _, it := range q.items {
			if it.from == from {
				out = append(out, it.delivery)
			}
		}
	}
	return out
}

// findAlive is find without what will not be handled any more.
func (l *lanes) findAlive(from *origin) []delivery {
	all := l.find(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		return all
	}
	return slices.DeleteFunc(all, func(d delivery) bool {
		q := l.queues[d.key]
		return q == nil || !q.running || q.items[0].version != d.version
	})
}
