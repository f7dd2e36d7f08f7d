package syncer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// absentChunk is how many absent records are looked after at once.
	absentChunk = 100
	// mostAbsent bounds how many records of a kind without single reads may be found absent; the rest comes with the next
	// full reading.
	mostAbsent = 10_000
)

// settleAbsent looks after the records that a full pass lacked. A listing alone proves nothing: rows move between pages
// while they are read, and a listing may be cut short. A kind that can be read singly is gone once a read says so; of any
// other, two full readings must agree. False: the budget is used up, and the pass goes on from here.
func (rd *reading) settleAbsent(ctx context.Context) (bool, error) {
	before, err := rd.d.s.opts.Passes.Swept(ctx, rd.connection.ID, rd.l.kind(), rd.l.variant)
	if err != nil {
		return false, fmt.Errorf("reading the last full reading: %w", err)
	}
	var absent []string
	var gone []mirror.RecordKey
	if rd.l.res.Info != "" {
		if done, err := rd.confirmAbsentRecords(ctx); err != nil || !done {
			return false, err
		}
	} else if absent, gone, err = rd.agreedAbsent(ctx, before); err != nil {
		return false, err
	}
	return true, rd.finish(ctx, before, absent, gone)
}

// confirmAbsentRecords reads each absent record; the read applies what it finds.
func (rd *reading) confirmAbsentRecords(ctx context.Context) (bool, error) {
	for {
		ids, err := rd.unseen(ctx, absentChunk)
		if err != nil || len(ids) == 0 {
			return err == nil, err
		}
		for i, id := range ids {
			if !rd.budget.take() {
				return false, rd.looked(ctx, ids[:i])
			}
			if err := rd.lookAfter(ctx, id); err != nil {
				return false, fmt.Errorf("confirming that a %s is gone: %w", rd.l.kind(), err)
			}
		}
		if err := rd.looked(ctx, ids); err != nil {
			return false, err
		}
	}
}

// lookAfter reads an absent record. One that cannot be read stays and goes into quarantine, from where it is read again,
// so that it does not keep the others from being looked after.
func (rd *reading) lookAfter(ctx context.Context, id string) error {
	err := rd.refreshRecord(ctx, rd.l.res.Kind, id, nil)
	if err == nil {
		rd.unanswered = 0
		return nil
	}
	if isUnanswered(err) {
		rd.unanswered++
	}
	if !concernsOne(ctx, err) || rd.unanswered >= mostUnanswered {
		return err
	}
	return rd.applyLocked(ctx, mirror.Unit{Bad: []mirror.BadRow{rd.putAside(ctx, keyFor(rd.l.res.Kind, id), err)}})
}

// looked notes that records were looked after, so that they are not absent any more whatever was found.
func (rd *reading) looked(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if !rd.stored {
		for _, id := range ids {
			rd.seen[id] = true
		}
		return nil
	}
	rd.pass.Pages++
	rd.d.applying.Lock()
	defer rd.d.applying.Unlock()
	return rd.apply(ctx, mirror.Unit{Pass: &mirror.PassStep{Pass: rd.pass, Seen: ids}})
}

// unseen are records that the pass lacked.
func (rd *reading) unseen(ctx context.Context, limit int) ([]string, error) {
	if rd.stored {
		ids, err := rd.d.s.opts.Passes.Unseen(ctx, rd.connection.ID, rd.pass, limit)
		if err != nil {
			return nil, fmt.Errorf("finding what is absent: %w", err)
		}
		return ids, nil
	}
	heads, err := rd.d.s.opts.Store.Heads(ctx, rd.connection.ID, rd.l.kind())
	if err != nil {
		return nil, fmt.Errorf("finding what is absent: %w", err)
	}
	var ids []string
	for id, head := range heads {
		if !head.Gone && !rd.seen[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(len(ids), limit)], nil
}

// agreedAbsent parts what is absent into what an earlier full reading lacked too, and what only this one lacks. Where a
// row could not be read, it may be any of them, and nothing is said.
func (rd *reading) agreedAbsent(ctx context.Context, before *mirror.Swept) (absent []string, gone []mirror.RecordKey, err error) {
	if rd.pass.Bad > 0 {
		if before != nil {
			absent = before.Absent
		}
		return absent, nil, nil
	}
	ids, err := rd.unseen(ctx, mostAbsent)
	if err != nil {
		return nil, nil, err
	}
	lost, absent := agree(before, ids, rd.pass.Rows+len(ids))
	for _, id := range lost {
		gone = append(gone, mirror.RecordKey{Kind: rd.l.kind(), ID: id})
	}
	return absent, gone, nil
}

// agree parts what is absent into what is gone, since an earlier full reading lacked it too, and what waits for a later
// one. Where much is absent at once, of all that there was, the readings must lie a day apart: nobody can read these
// records singly, and what is gone is not kept.
func agree(before *mirror.Swept, absent []string, all int) (gone, pending []string) {
	apart := mirror.HoldTime
	if mirror.MassClosing(all, len(absent)) {
		apart = sweepAfter
	}
	old := before != nil && time.Since(before.FinishedAt) >= apart
	for _, id := range absent {
		if old && slices.Contains(before.Absent, id) {
			gone = append(gone, id)
		} else {
			pending = append(pending, id)
		}
	}
	return gone, pending
}

// finish ends the pass. The end of a listing that is read whole at every turn is worth a row only where it tells
// something new.
func (rd *reading) finish(ctx context.Context, before *mirror.Swept, absent []string, gone []mirror.RecordKey) error {
	rd.d.applying.Lock()
	defer rd.d.applying.Unlock()
	u := mirror.Unit{Gone: gone}
	var err error
	if u.Released, err = rd.readableNow(ctx); err != nil {
		return err
	}
	if err := rd.withChildren(ctx, &u); err != nil {
		return err
	}
	news := before == nil || rd.l.res.SyncToken || !slices.Equal(before.Absent, absent)
	if rd.stored || news {
		u.Pass = &mirror.PassStep{Pass: rd.pass, Done: true}
	}
	if news {
		u.Pass.Swept = &mirror.Swept{Kind: rd.l.kind(), Variant: rd.l.variant, FinishedAt: time.Now(), Absent: absent}
	}
	return rd.apply(ctx, u)
}

// readableNow are the rows in quarantine that showed no id, where a full pass could read every row: nothing else would ever
// tell that they can be read by now. One of several listings of a kind says nothing of the others.
func (rd *reading) readableNow(ctx context.Context) ([]mirror.RecordKey, error) {
	if rd.pass.Bad > 0 || len(rd.l.res.Variants) > 0 {
		return nil, nil
	}
	keys, err := rd.d.s.opts.Passes.Nameless(ctx, rd.connection.ID, rd.l.kind(), rd.pass.StartedAt)
	if err != nil {
		return nil, fmt.Errorf("finding rows without an id in quarantine: %w", err)
	}
	return keys, nil
}

// withChildren has the children of what is gone go with it. The caller holds d.applying.
func (r *run) withChildren(ctx context.Context, u *mirror.Unit) error {
	for _, key := range slices.Clone(u.Gone) {
		for _, res := range ashby.Children(ashby.Kind(key.Kind)) {
			children, err := r.d.s.opts.Passes.Children(ctx, r.connection.ID, string(res.Kind), key.ID)
			if err != nil {
				return fmt.Errorf("finding the children of a lost %s: %w", key.Kind, err)
			}
			for id := range children {
				u.Gone = append(u.Gone, keyFor(res.Kind, id))
			}
		}
	}
	return nil
}
