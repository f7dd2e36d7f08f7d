package syncer

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// line is the queue for one task: one in work, and at most one that waits. A hint that arrives while another waits
// takes its place, since the work that begins later answers both.
type line struct {
	next *waiter
}

// waiter gets true when it is its turn, false when a newer hint took its place.
type waiter struct{ turn chan bool }

// enterLine waits for the task to be free. False without an error: a newer hint took this one's place.
func (d *desk) enterLine(ctx context.Context, t task) (bool, error) {
	d.mu.Lock()
	l := d.lines[t]
	if l == nil {
		d.lines[t] = &line{}
		d.mu.Unlock()
		return true, nil
	}
	w := &waiter{turn: make(chan bool, 1)}
	if l.next != nil {
		l.next.turn <- false
	}
	l.next = w
	d.mu.Unlock()
	select {
	case mine := <-w.turn:
		return mine, nil
	case <-ctx.Done():
	}
	d.mu.Lock()
	if l.next == w {
		l.next = nil
		d.mu.Unlock()
		return false, ctx.Err()
	}
	d.mu.Unlock()
	if <-w.turn { // the turn came while leaving: pass it on
		d.leaveLine(t)
	}
	return false, ctx.Err()
}

func (d *desk) leaveLine(t task) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lines[t]
	if l.next == nil {
		delete(d.lines, t)
		return
	}
	l.next.turn <- true
	l.next = nil
}

// failure is how often a task failed in a row, and until when trying again by ourselves is of no use.
type failure struct {
	count int
	at    time.Time
	until time.Time
}

// Delays between tries of one task.
const (
	retryMin = 2 * time.Second
	retryMax = 10 * time.Minute
	pollMin  = 15 * time.Second
	// A key that a refresh found refused is tried by a poll after probeMin at first: the refusal may have been Ashby's
	// passing fault. Where the poll goes well and the refresh is refused again, the next try takes longer.
	probeMin = time.Minute
	probeMax = time.Hour
	// failureMemory is how long the failures of an object are remembered: past the longest pause between two of them.
	failureMemory = 2 * probeMax
	// incompletePause is how long after a poll that could not read everything the next one comes, and how long webhooks
	// that only a poll can answer are left alone.
	incompletePause = 5 * time.Minute
	// unreadPolls is how many polls in a row must fail to read a posting before the others do not wait for it any more.
	// Polls that follow each other faster than unreadApart count as one.
	unreadPolls = 3
	unreadApart = incompletePause / 2
)

// failed counts a failure of a task and returns the delay before the next try: growing from low to high, jittered,
// and at least atLeast.
func (d *desk) failed(t task, low, high, atLeast time.Duration) (count int, delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.failures[t].again()
	delay = max(f.delay(low, high), atLeast)
	f.until = f.at.Add(delay)
	d.failures[t] = f
	return f.count, delay
}

// refused counts a refusal of the key that a task met, and returns the delay before the key is tried again. The task
// itself is not put off: it waits for the connection anyway.
func (d *desk) refused(t task) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.failures[t].again()
	d.failures[t] = f
	return f.delay(probeMin, probeMax)
}

// again is the failure after one more.
func (f failure) again() failure {
	f.count++
	f.at = time.Now()
	return f
}

// delay doubles from low to high with the failures, and is jittered.
func (f failure) delay(low, high time.Duration) time.Duration {
	d := low
	for i := 1; i < f.count && d < high; i++ {
		d *= 2
	}
	return jittered(min(d, high))
}

// unreadable is in how many polls in a row a posting could not be read, and when that was last counted.
type unreadable struct {
	polls int
	at    time.Time
}

// notListed counts a poll that could not read a kind's listing, and says whether that has been so for unreadPolls polls in
// a row; listed forgets them.
func (d *desk) notListed(kind ashby.Kind) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unlisted == nil {
		d.unlisted = map[ashby.Kind]unreadable{}
	}
	d.unlisted[kind] = d.unlisted[kind].again()
	return d.unlisted[kind].polls >= unreadPolls
}

func (d *desk) listed(kind ashby.Kind) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.unlisted, kind)
}

// again counts one more poll, unless the one before was just now.
func (u unreadable) again() unreadable {
	if now := time.Now(); now.Sub(u.at) >= unreadApart {
		return unreadable{polls: u.polls + 1, at: now}
	}
	return u
}

// countUnread notes which postings a poll could not read, and says whether all of them have been unreadable for
// unreadPolls polls in a row. True for none.
func (d *desk) countUnread(ids []string) (givenUp bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	unread := make(map[string]unreadable, len(ids))
	givenUp = true
	for _, id := range ids {
		u := d.unread[id].again()
		unread[id] = u
		givenUp = givenUp && u.polls >= unreadPolls
	}
	d.unread = unread
	return givenUp
}

// postpone has the sweeps leave a task alone for a while, without calling it failed.
func (d *desk) postpone(t task, delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.failures[t] = failure{at: now, until: now.Add(delay)}
}

func (d *desk) succeeded(t task) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.failures, t)
}

// busyWith says that a task is in work or waits, or that it failed and its next try is not due.
func (d *desk) busyWith(t task) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lines[t] != nil {
		return true
	}
	return time.Now().Before(d.failures[t].until)
}

// brake stops the refreshes of a connection for a while when Ashby does not answer it, so that they do not take the
// slots of others. Polls go on and show when it answers again.
type brake struct {
	failures int
	until    time.Time
}

// The brake is put on after brakeAfter failures in a row, for brakeMin at first and at most retryMax.
const (
	brakeAfter = 5
	brakeMin   = 15 * time.Second
)

// braked is how long refreshes of the connection are to wait.
func (d *desk) braked() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(time.Until(d.pause.until), 0)
}

// answered releases the brake.
func (d *desk) answered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pause = brake{}
}

// unanswered counts a call that Ashby did not answer, or answered with a wait.
func (d *desk) unanswered(wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pause.failures++
	if over := d.pause.failures - brakeAfter; over >= 0 {
		wait = max(wait, min(brakeMin<<min(over, 6), retryMax))
	}
	if until := time.Now().Add(wait); until.After(d.pause.until) {
		d.pause.until = until
	}
}

// queueUp counts a hint on a single object in, until leaveQueue. False: so many are in work or wait that this one would
// only keep the hints of other connections from being handled.
func (d *desk) queueUp() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refreshing >= mostQueued {
		return false
	}
	d.refreshing++
	return true
}

func (d *desk) leaveQueue() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refreshing--
}

// acquire takes a slot, or returns the context's error.
func acquire(ctx context.Context, slots chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
