package syncer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// workingEvery keeps a message from being delivered again while it is in work.
	workingEvery = bus.HintAckWait / 3
	// mostQueued is how many hints on single objects of one connection are in work or wait for it at once: enough to keep
	// its reads busy, and a quarter of what a partition handles at once.
	mostQueued = bus.MaxPending / 4
	// crowdedPause is the delay of a hint that found its connection's queue full, crowdedTries how often that happens
	// before the hint is left to the sweeps. Put off for longer, the hints of a burst would fill the partition's share
	// of undelivered messages.
	crowdedPause = time.Second
	crowdedTries = 5
	// handOver is the delay of a hint that we leave to the partition's next owner.
	handOver = time.Second
	// refreshTimeout bounds one refresh, the client's own retries included.
	refreshTimeout = 5 * time.Minute
	// laterPause is how long a hint waits that only a later reading can answer.
	laterPause = time.Minute
	// degradeAfter is the number of failed polls in a row after which the connection is called degraded.
	degradeAfter = 3
)

// handle works on a hint when its turn comes, and settles it.
func (d *desk) handle(ctx context.Context, m bus.HintMsg) {
	t := keyOf(m.Hint)
	switch {
	case t.isPoll():
		d.s.waiting.Add(1)
		defer d.s.waiting.Add(-1)
	case t.isSlice():
		d.s.slicing.Add(1)
		defer d.s.slicing.Add(-1)
	default:
		if !d.queueUp() {
			d.turnAway(ctx, m)
			return
		}
		defer d.leaveQueue()
	}
	beating, stop := context.WithCancel(ctx)
	var beat sync.WaitGroup
	defer beat.Wait()
	defer stop()
	beat.Go(func() {
		for loop.Sleep(beating, workingEvery) == nil {
			d.settled(beating, m.Working())
		}
	})
	mine, err := d.enterLine(ctx, t)
	switch {
	case err != nil:
		d.settled(ctx, m.Retry(handOver))
		return
	case !mine:
		d.settled(ctx, m.Ack())
		return
	}
	defer d.leaveLine(t)
	var again time.Duration
	switch {
	case t.isPoll():
		again = d.handlePoll(ctx, t)
	case t.isSlice():
		d.handleSlice(ctx, t)
	default:
		again = d.handleRefresh(ctx, t)
	}
	if again > 0 {
		d.settled(ctx, m.Retry(again))
		return
	}
	d.settled(ctx, m.Ack())
}

// turnAway settles a hint for which there is no room now. Its inbox row asks again whatever becomes of it.
func (d *desk) turnAway(ctx context.Context, m bus.HintMsg) {
	d.s.opts.Metrics.crowded.Inc()
	if m.Attempt < crowdedTries {
		d.settled(ctx, m.Retry(jittered(crowdedPause)))
		return
	}
	d.settled(ctx, m.Ack())
}

// settled logs that the bus did not hear us; it delivers the hint again, which is harmless.
func (d *desk) settled(ctx context.Context, err error) {
	if err != nil {
		d.log.DebugContext(ctx, "hint not settled", "error", err)
	}
}

// handleRefresh refreshes an object. It returns after how long the hint is to come again, zero for never.
func (d *desk) handleRefresh(ctx context.Context, t task) time.Duration {
	if wait := d.braked(); wait > 0 {
		d.s.opts.Metrics.refresh(outcomeBraked)
		return wait + jittered(time.Second)
	}
	// The connection's own slot comes first: one that waits for it must not hold a slot of all.
	if acquire(ctx, d.reads) != nil {
		return handOver
	}
	defer func() { <-d.reads }()
	if acquire(ctx, d.s.reads) != nil {
		return handOver
	}
	defer func() { <-d.s.reads }()
	began, counts := time.Now(), &tally{}
	bounded, cancel := context.WithTimeout(ashby.WithTrace(ctx, &counts.trace), refreshTimeout)
	defer cancel()
	a, err := d.open(bounded, counts)
	if err == nil {
		err = d.refresh(bounded, a, t)
	}
	return d.settleRefresh(ctx, a, t, began, err)
}

func (d *desk) settleRefresh(ctx context.Context, a access, t task, began time.Time, err error) time.Duration {
	result, reason := judge(ctx, err)
	d.s.opts.Metrics.refresh(result)
	d.noteRefresh(a, t, began, result, reason)
	log := d.log.With("kind", t.kind, "object", t.object, "outcome", string(result), "took", time.Since(began))
	switch result {
	case outcomeOK:
		d.succeeded(t)
		d.answered()
		log.DebugContext(ctx, "object refreshed")
		return 0
	case outcomeSkipped:
		return 0
	case outcomeLater:
		d.postpone(t, jittered(laterPause))
		return 0
	case outcomeStopped:
		d.lostLease(err)
		return handOver
	case outcomeUnauthorized:
		if d.keyReplaced(ctx, a) {
			return handOver
		}
		if stored := d.setStatus(ctx, mirror.StatusChange{
			Status: mirror.StatusUnauthorized, Code: string(result), Reason: reason, Key: a.sealed, PollWithin: d.refused(t),
		}); stored != nil {
			d.lostLease(stored)
			log.WarnContext(ctx, "status not stored", "error", stored)
			return retryMin
		}
		log.WarnContext(ctx, "key refused", "error", err)
		return 0
	}
	wait := waitAsked(err)
	if isUnanswered(err) {
		d.unanswered(wait)
	}
	count, delay := d.failed(t, retryMin, retryMax, wait)
	log.WarnContext(ctx, "object not refreshed", "error", err, "failures", count, "retry_in", delay)
	return delay
}

// lostLease stops the partition's work: another process has it, and every further write would be refused.
func (d *desk) lostLease(err error) {
	if errors.Is(err, mirror.ErrLeaseLost) {
		d.p.stop(leaseLost)
	}
}

// handlePoll compares the connection with Ashby. It returns after how long the hint is to come again, zero for never:
// then the schedule has the next try.
func (d *desk) handlePoll(ctx context.Context, t task) time.Duration {
	if acquire(ctx, d.s.polls) != nil {
		return handOver
	}
	defer func() { <-d.s.polls }()
	began, counts := time.Now(), &tally{}
	ctx = ashby.WithTrace(ctx, &counts.trace)
	var a access
	var done pollResult
	var err error
	// A key that was replaced meanwhile deserves another try at once, and no verdict on the old one.
	for range 2 {
		if a, err = d.open(ctx, counts); err != nil {
			break
		}
		done, err = d.poll(ctx, a)
		if !errors.Is(err, ashby.ErrUnauthorized) || !d.keyReplaced(ctx, a) {
			break
		}
	}
	return d.settlePoll(ctx, t, pollEnd{access: a, began: began, result: done}, err)
}

// pollEnd is what settling a poll needs to know of it.
type pollEnd struct {
	access
	began  time.Time
	result pollResult
}

func (d *desk) settlePoll(ctx context.Context, t task, end pollEnd, err error) time.Duration {
	result, reason := judge(ctx, err)
	if err == nil && (end.result.unread > 0 || end.result.leftOut) {
		result, reason = outcomeIncomplete, "Some of it could not be read."
	}
	d.s.opts.Metrics.poll(result, time.Since(end.began))
	d.notePoll(end, result, reason)
	log := d.log.With("outcome", string(result), "took", time.Since(end.began), "at_ashby", end.result.atAshby,
		"read", end.result.read, "read_again", end.result.reread, "vanished", end.result.vanished, "held", end.result.held, "unread", end.result.unread)
	switch result {
	case outcomeOK:
		d.succeeded(t)
		d.answered()
		log.InfoContext(ctx, "poll done")
		return 0
	case outcomeIncomplete:
		d.postpone(t, incompletePause)
		d.answered()
		log.WarnContext(ctx, "poll done with postings unread")
		return 0
	case outcomeSkipped:
		return 0
	case outcomeStopped:
		d.lostLease(err)
		return handOver
	}
	if isUnanswered(err) {
		d.unanswered(waitAsked(err))
	}
	interval := max(end.connection.PollInterval, pollMin)
	low := pollMin
	if result == outcomeUnauthorized || result == outcomePermission {
		low = interval // only the employer can help; asking more often would not
	}
	count, next := d.failed(t, low, interval, waitAsked(err))
	log.WarnContext(ctx, "poll failed", "error", err, "failures", count, "next_in", next)
	err = d.noteFailure(ctx, end.access, pollFailure{result, reason, count, next})
	if err == nil || isOver(err) {
		return 0
	}
	d.lostLease(err)
	log.WarnContext(ctx, "failed poll not noted", "error", err)
	return next
}

type pollFailure struct {
	outcome outcome
	reason  string
	count   int
	next    time.Duration
}

// noteFailure stores what a failed poll means for the connection. A refused key is known to be refused until a poll
// succeeds, whatever else fails meanwhile.
func (d *desk) noteFailure(ctx context.Context, a access, f pollFailure) error {
	change := mirror.StatusChange{Code: string(f.outcome), Reason: f.reason, Key: a.sealed}
	switch was := a.connection.Status; {
	case f.outcome == outcomeUnauthorized:
		change.Status = mirror.StatusUnauthorized
	case f.count >= degradeAfter && f.outcome != outcomeStore && was != mirror.StatusUnauthorized && was != "":
		change.Status = mirror.StatusDegraded
	}
	if change.Status != "" {
		if err := d.setStatus(ctx, change); err != nil {
			return err
		}
	}
	return d.s.opts.Progress.FailPoll(ctx, d.mandate(), f.reason, f.next)
}

// jittered is d, longer or shorter by at most a tenth, so that what failed together is not tried together.
func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}
