package jobfeed

import (
	"sync"
	"time"
)

// lanes hold the events that were received and are not handled yet, in one queue for each job, and hand the foremost of
// each to whoever asks. They decide what is a duplicate.
type lanes struct {
	mu     sync.Mutex
	queues map[string]*queue
	// ready are the queues whose foremost event may be handled now, each once; more is signalled when one is added.
	ready []*queue
	more  *sync.Cond
	// versions are the highest ones that were handled, by key.
	versions map[string]int64
	held     int
	running  int
	// stopped says that no event is to be handled any more, paused that none is for now.
	stopped, paused bool
	// dismissed says that whoever waits for work may go.
	dismissed bool
	// idle is closed once nothing runs after stopped or paused was set.
	idle chan struct{}

	caught catchUp
	// jump says that a version did not follow the one before.
	jump bool
	// retry is the longest pause after a failure.
	retry time.Duration
	// let is called, without the lock, with what no longer has to be delivered, giveBack with what has to come again.
	let, giveBack func(delivery)
}

// queue are the events of one job in the order of their versions.
type queue struct {
	key   string
	items []*item
	// running says that the first item is being handled; timer is set while it waits for another attempt.
	running bool
	timer   *time.Timer
	// failures counts those since the last success.
	failures int
}

// item is an event in memory. Its delivery belongs to the lanes, the rest to whoever handles it.
type item struct {
	delivery
	// awaited says that OnCaughtUp waits for it.
	awaited bool

	attempt int
	// event is read from the body before the first attempt.
	event *Event
	// handled says that the handler took the event and only Positions have not.
	handled bool
}

func newLanes(retry time.Duration, versions map[string]int64) *lanes {
	if versions == nil {
		versions = map[string]int64{}
	}
	l := &lanes{
		queues: map[string]*queue{}, versions: versions, retry: retry, caught: catchUp{done: make(chan struct{})},
	}
	l.more = sync.NewCond(&l.mu)
	return l
}

// accept takes a delivery in, or lets go of it where it is not needed: handled already, or older than what waits.
func (l *lanes) accept(d delivery) {
	l.mu.Lock()
	stopped := l.stopped
	var gone []delivery
	if !stopped {
		gone = l.place(d)
	}
	l.mu.Unlock()
	if stopped {
		l.giveBack(d)
	}
	for _, d := range gone {
		l.let(d)
	}
}

// place returns the deliveries that need not come again.
func (l *lanes) place(d delivery) (gone []delivery) {
	known, ok := l.versions[d.key]
	if d.version <= known {
		return []delivery{d}
	}
	q := l.queues[d.key]
	if q != nil {
		known, ok = q.items[len(q.items)-1].version, true
	}
	l.jump = l.jump || ok && d.version > known+1
	if q == nil {
		q = &queue{key: d.key}
		l.queues[d.key] = q
		l.append(q, d)
		l.offer(q)
		return nil
	}
	for _, it := range q.items {
		if it.version == d.version {
			// It came again while the first copy waits or is handled. Only the newer delivery can be acknowledged.
			it.delivery = d
			return nil
		}
	}
	if d.version < known {
		return []delivery{d} // the newer one carries the whole job and is not acknowledged before it is handled
	}
	l.append(q, d)
	if q.failures > 0 && !q.running {
		gone = l.supersede(q)
		l.wake(q)
	}
	return gone
}

// offer says that the foremost event of a queue may be handled.
func (l *lanes) offer(q *queue) {
	l.ready = append(l.ready, q)
	l.more.Signal()
}

func (l *lanes) append(q *queue, d delivery) {
	q.items = append(q.items, &item{delivery: d})
	l.held++
}

// drop removes the first n events of a queue.
func (l *lanes) drop(q *queue, n int) {
	for _, it := range q.items[:n] {
		l.held--
		l.caught.settle(it)
	}
	q.items = q.items[n:]
	if len(q.items) == 0 {
		delete(l.queues, q.key)
	}
}

// supersede drops all but the newest event of a job whose handler failed.
func (l *lanes) supersede(q *queue) (gone []delivery) {
	older := len(q.items) - 1
	for _, it := range q.items[:older] {
		gone = append(gone, it.delivery)
	}
	l.drop(q, older)
	return gone
}

// wake ends the pause of a queue that failed.
func (l *lanes) wake(q *queue) {
	if q.timer != nil && q.timer.Stop() {
		q.timer = nil
		l.offer(q)
	}
}

// work is an event to be handled now.
type work struct {
	*item
	queue *queue
	// as is the delivery as it was when the work began: the item may get a newer one.
	as     delivery
	missed int64
}

// next waits for something to handle; ok is false once dismiss was called.
func (l *lanes) next() (w work, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.ready) == 0 && !l.dismissed {
			l.more.Wait()
		}
		if l.dismissed {
			return work{}, false
		}
		q := l.ready[0]
		l.ready = l.ready[1:]
		if w, ok = l.take(q); ok {
			return w, true
		}
	}
}

// take begins with the foremost event of a queue, unless it was cleared or nothing is to be handled now.
func (l *lanes) take(q *queue) (w work, ok bool) {
	if l.stopped || l.paused || len(q.items) == 0 {
		return work{}, false
	}
	q.running = true
	l.running++
	w = work{item: q.items[0], queue: q, as: q.items[0].delivery}
	w.attempt++
	if known, ok := l.versions[q.key]; ok {
		w.missed = w.as.version - known - 1
	}
	return w, true
}

// finish says how the handling of what take returned ended, and returns the pause before the next attempt.
func (l *lanes) finish(q *queue, ok bool) (pause time.Duration) {
	l.mu.Lock()
	gone, back, pause := l.settle(q, ok)
	l.mu.Unlock()
	for _, d := range gone {
		l.let(d)
	}
	for _, d := range back {
		l.giveBack(d)
	}
	return pause
}

func (l *lanes) settle(q *queue, ok bool) (gone, back []delivery, pause time.Duration) {
	q.running = false
	l.running--
	defer l.rest()
	it := q.items[0]
	switch {
	case ok:
		q.failures = 0
		l.versions[q.key] = it.version
		l.drop(q, 1)
		if len(q.items) > 0 {
			l.offer(q)
		}
		return []delivery{it.delivery}, nil, 0
	case l.stopped:
		return nil, []delivery{it.delivery}, 0 // it stays, as in stop
	case l.paused:
		l.drop(q, 1)
		return nil, []delivery{it.delivery}, 0
	}
	q.failures++
	l.caught.settle(it)
	if len(q.items) > 1 {
		gone = l.supersede(q)
		l.offer(q)
		return gone, nil, 0
	}
	pause = backoff(q.failures, l.retry)
	q.timer = time.AfterFunc(pause, func() { l.retryNow(q) })
	return nil, nil, pause
}

func (l *lanes) retryNow(q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.timer == nil {
		return // woken or cleared before
	}
	q.timer = nil
	l.offer(q)
}
