package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// parentsChunk is how many parents are looked up at once.
const parentsChunk = 100

// children reads what Ashby shows per parent only, and only of parents that changed: the history of an application, the
// events of an interview schedule.
func (s *slice) children(ctx context.Context) (bool, error) {
	kinds := map[string]ashby.Resource{}
	for _, res := range ashby.Catalogue() {
		if res.Parent == "" || !res.In(s.connection.Modules) || s.isRefused(res.Scope) {
			continue
		}
		if err := s.firstChildren(ctx, res); err != nil {
			return false, err
		}
		kinds[string(res.Kind)] = res
	}
	for {
		var names []string
		for name, res := range kinds {
			if !s.isRefused(res.Scope) && !s.hasListing(listing{res: res}.key(false)) {
				names = append(names, name)
			}
		}
		stale, err := s.d.s.opts.Passes.StaleParents(ctx, s.connection.ID, names, parentsChunk)
		if err != nil {
			return false, fmt.Errorf("finding parents: %w", err)
		}
		// One that is asked for again in this round went behind the others, and waits for the next.
		stale = slices.DeleteFunc(stale, func(p mirror.StaleParent) bool { return s.hasObject(childrenOf(p)) })
		if len(stale) == 0 {
			return true, nil
		}
		if room, err := s.readParents(ctx, kinds, stale); err != nil || !room {
			return false, err
		}
	}
}

// childrenOf names the children of a parent within a round and in quarantine. No object has such an id of its own.
func childrenOf(p mirror.StaleParent) mirror.RecordKey {
	return mirror.RecordKey{Kind: p.Kind, ID: "row-of-" + p.Parent}
}

// readParents reads the children of several parents at once, since one answer takes longer than the pace wants between
// two requests. False: the budget is used up.
func (s *slice) readParents(ctx context.Context, kinds map[string]ashby.Resource, stale []mirror.StaleParent) (bool, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(connectionReads)
	room := true
	for _, parent := range stale {
		res := kinds[parent.Kind]
		if s.isRefused(res.Scope) {
			continue
		}
		if room = gctx.Err() == nil && s.budget.take(); !room {
			break
		}
		g.Go(func() error { return s.readParent(gctx, res, parent) })
	}
	return room, g.Wait()
}

// readParent reads the children of a parent. That they cannot be read is no error where others may be: the quarantine
// shows it, and the next round tries again.
func (s *slice) readParent(ctx context.Context, res ashby.Resource, parent mirror.StaleParent) error {
	began := time.Now()
	err := s.readChildren(ctx, res, parent)
	if err == nil {
		s.answered()
		s.answeredOf(parent.Kind)
		return nil
	}
	if errors.Is(err, errSliceOver) && time.Since(began) >= sliceGrace { // it took all that time alone
		err, ctx = fmt.Errorf("%w: no answer in a whole slice", ashby.ErrUnavailable), context.WithoutCancel(ctx)
	}
	if concernsOne(ctx, err) && isUnanswered(err) && s.unansweredOf(parent.Kind) {
		s.listingDone(listing{res: res}.key(false)) // it is the method that fails, and not this one parent
	}
	if err = s.leaveOut(ctx, res, err); err != nil || s.isRefused(res.Scope) {
		return err
	}
	key := childrenOf(parent)
	s.objectDone(key)
	return s.applyLocked(ctx, mirror.Unit{
		StaleParents: []mirror.ParentKey{{Kind: parent.Kind, Parent: parent.Parent}},
		Bad:          []mirror.BadRow{{Kind: key.Kind, ID: key.ID, Reason: "They cannot be read.", Shape: map[string]string{}}},
	})
}

// firstChildren asks for the children of all parents that are there already, once.
func (s *slice) firstChildren(ctx context.Context, res ashby.Resource) error {
	l := listing{res: res}
	before, err := s.d.s.opts.Passes.Swept(ctx, s.connection.ID, l.kind(), "")
	if err != nil || before != nil {
		return err
	}
	for after, more := "", true; more; {
		ids, err := s.d.s.opts.Passes.RecordIDs(ctx, s.connection.ID, string(res.Parent), after, parentsChunk)
		if err != nil {
			return fmt.Errorf("finding the parents of a %s: %w", l.kind(), err)
		}
		var u mirror.Unit
		for _, id := range ids {
			u.StaleParents = append(u.StaleParents, mirror.ParentKey{Kind: l.kind(), Parent: id})
			after = id
		}
		if more = len(ids) == parentsChunk; !more {
			u.Pass = sweptStep(l.kind(), "", nil)
		}
		if err := s.applyLocked(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// sweptStep notes the end of a full reading that has no pages to remember. The variant may be a parent.
func sweptStep(kind, variant string, absent []string) *mirror.PassStep {
	return &mirror.PassStep{
		Pass: mirror.Pass{
			PassKey: mirror.PassKey{Kind: kind, Variant: variant}, ParamsHash: ashby.ParamsHash(ashby.Kind(kind), ""),
		},
		Done:  true,
		Swept: &mirror.Swept{Kind: kind, Variant: variant, FinishedAt: time.Now(), Absent: absent},
	}
}

func (r *run) applyLocked(ctx context.Context, u mirror.Unit) error {
	r.d.applying.Lock()
	defer r.d.applying.Unlock()
	return r.apply(ctx, u)
}

// readChildren reads all children of a parent.
func (s *slice) readChildren(ctx context.Context, res ashby.Resource, parent mirror.StaleParent) error {
	u := mirror.Unit{ReadParents: []mirror.StaleParent{parent}, Released: []mirror.RecordKey{childrenOf(parent)}}
	list, err := s.listChildren(ctx, res, parent.Parent)
	if isNotFound(err) { // so is the parent; its own listing tells what becomes of it
		return s.applyLocked(ctx, u)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", res.List, err)
	}
	if err := s.missChildren(ctx, parent, list, &u); err != nil {
		return err
	}
	s.d.applying.Lock()
	defer s.d.applying.Unlock()
	u.Bad = s.badRows(ctx, res.Kind, list.bad)
	for i, b := range list.bad {
		if b.ID == "" { // it goes when its parent's children can all be read
			u.Bad[i].ID = childrenOf(parent).ID
		}
	}
	fresh := list.rows[:0:0]
	for _, row := range list.rows {
		if s.d.admit(keyFor(res.Kind, row.ID), row.SentAt) {
			fresh = append(fresh, row)
		}
	}
	return s.applyRecords(ctx, listing{res: res}, fresh, u)
}

// missChildren looks after stored children that a parent's listing lacks. One listing proves nothing: what the one before
// lacked too is gone, for the rest the parent is read again in the next round.
func (s *slice) missChildren(ctx context.Context, parent mirror.StaleParent, list childList, u *mirror.Unit) error {
	stored, err := s.d.s.opts.Passes.Children(ctx, s.connection.ID, parent.Kind, parent.Parent)
	if err != nil {
		return fmt.Errorf("finding the stored children: %w", err)
	}
	before, err := s.d.s.opts.Passes.Swept(ctx, s.connection.ID, parent.Kind, parent.Parent)
	if err != nil {
		return fmt.Errorf("reading what was absent before: %w", err)
	}
	absent := list.lacks(stored)
	if list.blind() || len(absent) == 0 && (before == nil || len(before.Absent) == 0) {
		return nil
	}
	gone, pending := agree(before, absent, len(stored))
	for _, id := range gone {
		u.Gone = append(u.Gone, mirror.RecordKey{Kind: parent.Kind, ID: id})
	}
	u.Pass = sweptStep(parent.Kind, parent.Parent, pending)
	if before != nil && slices.Equal(before.Absent, pending) {
		u.Pass = nil // since when they are absent is what counts
	}
	if len(pending) > 0 {
		u.StaleParents = append(u.StaleParents, mirror.ParentKey{Kind: parent.Kind, Parent: parent.Parent})
		s.objectDone(childrenOf(parent))
	}
	return nil
}
