package syncer

import (
	"cmp"
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// handleSlice works on a slice. The schedule has the next one, whatever becomes of this.
func (d *desk) handleSlice(ctx context.Context, t task) {
	if acquire(ctx, d.s.slices) != nil {
		return
	}
	defer func() { <-d.s.slices }()
	began, counts := time.Now(), &tally{}
	traced := ashby.WithTrace(ctx, &counts.trace)
	a, err := d.open(traced, counts)
	var result sliceResult
	if err == nil {
		result, err = d.slice(traced, a)
	}
	d.settleSlice(ctx, a, t, sliceEnd{result, began, err})
}

// sliceEnd is how a slice ended.
type sliceEnd struct {
	sliceResult
	began time.Time
	// err kept it from going on.
	err error
}

func (d *desk) settleSlice(ctx context.Context, a access, t task, end sliceEnd) {
	result, reason := judge(ctx, cmp.Or(end.err, end.failed))
	d.s.opts.Metrics.slice(result)
	log := d.log.With("outcome", string(result), "took", time.Since(end.began), "round_done", end.done)
	interval := max(a.connection.PollInterval, pollMin)
	next := jittered(slicePause)
	switch {
	case result == outcomeSkipped:
		return
	case result == outcomeStopped:
		d.lostLease(end.err)
		return
	case end.err != nil:
		if result == outcomeUnauthorized && !d.keyReplaced(ctx, a) {
			d.keyRefused(ctx, a, t, reason)
		}
		_, next = d.failed(t, pollMin, interval, waitAsked(end.err))
		log.WarnContext(ctx, "slice failed", "error", brief(end.err), "next_in", next)
	case end.failed != nil: // some of it could not be read: again soon, and less and less so
		_, next = d.failed(t, incompletePause, interval, 0)
		log.WarnContext(ctx, "round done with something left out", "error", brief(end.failed), "next_in", next)
	case end.done:
		d.succeeded(t)
		next = untilTurn(d.connection+"/records", interval, time.Now())
		log.DebugContext(ctx, "round done")
	}
	d.note(a, mirror.Run{
		Trigger: mirror.TriggerSchedule, Task: string(mirror.HintRecords), StartedAt: end.began,
		Outcome: string(result), Reason: reason,
	})
	if err := d.s.opts.Slices.FinishRecords(ctx, d.mandate(), next); err != nil && !isOver(err) {
		d.lostLease(err)
		log.WarnContext(ctx, "end of a slice not noted", "error", err)
	}
}

// keyRefused notes that Ashby refuses the key, and has it tried again by a poll.
func (d *desk) keyRefused(ctx context.Context, a access, t task, reason string) {
	if err := d.setStatus(ctx, mirror.StatusChange{
		Status: mirror.StatusUnauthorized, Code: string(outcomeUnauthorized), Reason: reason, Key: a.sealed,
		PollWithin: d.refused(t),
	}); err != nil {
		d.lostLease(err)
		d.log.WarnContext(ctx, "status not stored", "error", err)
	}
}

// noteRefresh keeps a refresh that has ended. One that was put off or stopped is none yet.
func (d *desk) noteRefresh(a access, t task, began time.Time, result outcome, reason string) {
	switch result {
	case outcomeStopped, outcomeSkipped, outcomeLater:
		return
	}
	d.note(a, mirror.Run{
		Trigger: mirror.TriggerWebhook, Task: string(t.kind), Object: t.object, StartedAt: began,
		Outcome: string(result), Reason: reason,
	})
}

// notePoll keeps a poll that has ended.
func (d *desk) notePoll(end pollEnd, result outcome, reason string) {
	switch result {
	case outcomeStopped, outcomeSkipped:
		return
	}
	trigger := end.result.trigger
	if trigger == "" { // it did not get so far as to learn it
		trigger = mirror.TriggerSchedule
	}
	d.note(end.access, mirror.Run{
		Trigger: trigger, Task: string(mirror.HintPoll), StartedAt: end.began,
		Outcome: string(result), Reason: reason,
	})
}
