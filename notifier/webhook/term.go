package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/lease"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// grace is how long messages may still come to their end when the process stops, or a third of the lease's life where
	// that is shorter.
	grace = 2 * time.Second
	// lastWords is how long the store may take for what was sent when the term ends.
	lastWords = 2 * time.Second
	// backlogEvery is how often what waits is counted.
	backlogEvery = 10 * time.Second
	// openEvery is how often secrets that do not open are tried again: the key may come with the next keyset.
	openEvery = 30 * time.Second
)

// job is what deliveries are in order of: a job, or a connection, at an endpoint.
type job struct{ receiver, connection, posting string }

func jobOf(p mirror.Parcel) job { return job{p.Receiver, p.Event.Connection, p.Event.Posting} }

// result is an outcome that the store has not heard of yet.
type result struct {
	lane    *lane
	job     job
	outcome mirror.ParcelOutcome
}

// term is one term of sending: from gaining the lease to losing it. One goroutine, the desk, talks to the store: it notes
// what came of attempts, reads what is due, and puts it into the lanes. Each message is sent by a goroutine of its own.
type term struct {
	*Sender
	signal      chan struct{}
	nextBacklog time.Time // the desk's alone
	sending     sync.WaitGroup

	mu      sync.Mutex
	closing bool // nothing new leaves
	lanes   map[string]*lane
	order   []*lane // by id; start goes round
	turn    int
	shared  int // free slots beyond each lane's first
	inHand  map[int64]job
	busy    map[job]bool
	results []result
}

func newTerm(s *Sender, signal chan struct{}) *term {
	return &term{
		Sender: s, signal: signal, shared: s.Shared, lanes: map[string]*lane{}, inHand: map[int64]job{}, busy: map[job]bool{},
	}
}

// run works until ctx ends, and returns when nothing is on its way any more.
func (t *term) run(ctx context.Context) {
	defer t.metrics.showBacklog(mirror.Backlog{}, time.Time{})
	defer t.settle(ctx)
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer t.sending.Wait()
	// Beside the loop, which may hang in a call to the store.
	defer context.AfterFunc(ctx, func() { t.close(ctx, cut) })()
	wait := loop.Backoff{Min: 50 * time.Millisecond, Max: 5 * time.Second, Jitter: 0.5}
	for ctx.Err() == nil {
		err := t.runOnce(ctx, sending)
		switch {
		case err == nil:
			wait.Reset()
			t.pause(ctx)
		case ctx.Err() == nil:
			t.Logger.ErrorContext(ctx, "sending webhooks stopped for a moment", "error", err)
			t.metrics.failures.WithLabelValues(failureStore).Inc()
			_ = loop.Sleep(ctx, wait.Next())
		}
	}
}

// close lets nothing new leave. What is on its way may come to its end for a moment, since whoever took a message that is
// cut off gets it again; but not where the lease is lost, for another may be sending already.
func (t *term) close(ctx context.Context, cut func()) {
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	if errors.Is(context.Cause(ctx), lease.ErrLost) {
		cut()
		return
	}
	time.AfterFunc(min(grace, t.LeaseTTL/3), cut)
}

// settle notes what was sent and not noted yet when the term ends. Where the lease is another's by now it does no harm:
// what is delivered is delivered.
func (t *term) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := t.note(ctx, ctx); err != nil {
		t.Logger.WarnContext(ctx, "what was sent last is not noted and will be sent again", "error", err)
	}
}

// pause waits until there may be something to do.
func (t *term) pause(ctx context.Context) {
	timer := time.NewTimer(t.Idle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-t.signal:
	case <-timer.C:
	}
}

// runOnce does what is due. What is sent pokes the signal when it is done, so that the next round follows at once.
func (t *term) runOnce(ctx, sending context.Context) error {
	if err := t.note(ctx, sending); err != nil {
		return fmt.Errorf("noting what was sent: %w", err)
	}
	receivers, err := t.Store.ActiveReceivers(ctx)
	if err != nil {
		return fmt.Errorf("reading endpoints: %w", err)
	}
	if rooms, inHand := t.arrange(ctx, receivers); len(rooms) > 0 {
		parcels, err := t.Store.Due(ctx, rooms, inHand)
		if err != nil {
			return fmt.Errorf("reading what is due: %w", err)
		}
		t.load(parcels)
	}
	t.start(sending)
	if now := time.Now(); !now.Before(t.nextBacklog) {
		t.nextBacklog = now.Add(backlogEvery)
		b, err := t.Store.Backlog(ctx)
		if err != nil {
			return fmt.Errorf("counting what waits: %w", err)
		}
		t.metrics.showBacklog(b, t.Now())
	}
	return nil
}

// note tells the store what came of attempts and of endpoints. Should it fail, all is told again.
func (t *term) note(ctx, sending context.Context) error {
	results, changes, ended := t.news()
	if len(results) == 0 && len(changes) == 0 {
		return nil
	}
	outcomes := make([]mirror.ParcelOutcome, 0, len(results))
	for _, r := range results {
		outcomes = append(outcomes, r.outcome)
	}
	if err := t.Store.NoteParcels(ctx, outcomes, changes); err != nil {
		t.notNoted(results, changes)
		return err
	}
	t.noted(results)
	for _, c := range ended {
		t.farewell(sending, c)
	}
	return nil
}

// ending is an endpoint that is paused or disabled.
type ending struct {
	mirror.ReceiverChange
	lane *lane
}

// news takes what the store has not heard of.
func (t *term) news() (results []result, changes []mirror.ReceiverChange, ended []ending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	results, t.results = t.results, nil
	for _, l := range t.order {
		if !l.health.changed {
			continue
		}
		l.health.changed = false
		c := l.change()
		changes = append(changes, c)
		if c.Status != "" {
			l.status = "" // told once
			ended = append(ended, ending{c, l})
		}
	}
	return results, changes, ended
}

func (t *term) notNoted(results []result, changes []mirror.ReceiverChange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.results = append(results, t.results...)
	for _, c := range changes {
		if l := t.lanes[c.ID]; l != nil {
			l.health.changed = true
			if c.Status != "" {
				l.status = c.Status
			}
		}
	}
}

// noted lets go of what the store knows.
func (t *term) noted(results []result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range results {
		r.lane.unnoted--
		delete(t.inHand, r.outcome.ID)
		delete(t.busy, r.job)
	}
}

// arrange makes the lanes those of the receivers, and returns how many parcels may be read of which and what is in hand.
func (t *term) arrange(ctx context.Context, receivers []mirror.Receiver) (rooms []mirror.Room, inHand []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Now()
	active := make(map[string]bool, len(receivers))
	for _, r := range receivers {
		active[r.ID] = true
		l := t.lanes[r.ID]
		if l == nil {
			l = &lane{}
			t.lanes[r.ID] = l
			t.order = append(t.order, l)
		}
		if l.gone || l.Revision != r.Revision {
			secrets, err := t.open(r)
			if err != nil {
				t.Logger.ErrorContext(ctx, "signing secret does not open; nothing is sent to the endpoint", "endpoint", r.ID, "error", err)
				t.unopened(l, now)
			}
			t.putBack(l) // the change may have taken it back
			l.take(r, secrets, err != nil)
		}
		if l.unusable && !now.Before(l.retryAt) {
			t.reopen(ctx, l, now)
		}
		if l.health.probing() || l.health.heldAt(now) {
			t.putBack(l) // what waits for long is read anew when its time comes
		}
		if n := l.room(now); n > 0 {
			rooms = append(rooms, mirror.Room{Receiver: r.ID, Limit: n})
		}
	}
	t.sweep(active)
	inHand = make([]int64, 0, len(t.inHand))
	for id := range t.inHand {
		inHand = append(inHand, id)
	}
	return rooms, inHand
}

// sweep closes the lanes of receivers that are not active any more, and forgets those of which nothing is in hand.
func (t *term) sweep(active map[string]bool) {
	t.order = slices.DeleteFunc(t.order, func(l *lane) bool {
		if active[l.ID] {
			return false
		}
		l.closed, l.gone = true, true
		t.putBack(l)
		if l.running > 0 || l.unnoted > 0 {
			return false
		}
		delete(t.lanes, l.ID)
		return true
	})
	slices.SortFunc(t.order, func(a, b *lane) int { return strings.Compare(a.ID, b.ID) })
}

// putBack lets go of what is not on its way yet.
func (t *term) putBack(l *lane) {
	for _, p := range l.ready {
		delete(t.inHand, p.ID)
		delete(t.busy, jobOf(p))
	}
	l.ready = nil
}

// load puts parcels into their lanes, but for those of a job that is in hand: after a replay, another version may be on
// its way still.
func (t *term) load(parcels []mirror.Parcel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range parcels {
		l, j := t.lanes[p.Receiver], jobOf(p)
		if l == nil || l.closed || t.busy[j] {
			continue
		}
		t.busy[j], t.inHand[p.ID] = true, j
		l.ready = append(l.ready, p)
	}
}
