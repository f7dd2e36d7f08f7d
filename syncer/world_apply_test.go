package syncer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func (w *world) Apply(ctx context.Context, u mirror.Unit) (mirror.Applied, error) {
	if w.onApply != nil {
		if err := w.onApply(u); err != nil {
			return mirror.Applied{}, err
		}
	}
	if err := w.enter(ctx); err != nil {
		return mirror.Applied{}, err
	}
	defer w.mu.Unlock()
	a, err := w.check(mirror.Mandate{Lease: u.Lease, Connection: u.Connection})
	if err != nil {
		return mirror.Applied{}, err
	}
	w.storeEarly(&u)
	w.applies = append(w.applies, u)
	listings := maps.Clone(a.listings) // all or nothing
	var log []logged
	for _, want := range u.Listings {
		var current *mirror.Listing
		if l, known := listings[want.Posting]; known {
			current = &l
		}
		next, typ, data, err := mirror.Decide(current, want, u.Origin)
		if err != nil {
			return mirror.Applied{}, err
		}
		if next.Posting != "" {
			listings[want.Posting] = next
		}
		if data != nil {
			log = append(log, logged{connection: u.Connection, posting: want.Posting, typ: typ, data: *data})
		}
	}
	a.listings = listings
	w.log = append(w.log, log...)
	for _, r := range u.Upserts {
		a.records[mirror.RecordKey{Kind: r.Kind, ID: r.ID}] = &kept{Record: r}
	}
	for _, k := range u.Gone {
		a.records[k].gone = true
	}
	w.finishUnit(a, u)
	made := make([]mirror.Made, len(log))
	for i, e := range log {
		made[i] = mirror.Made{Posting: e.posting, Type: e.typ}
		if e.data.Reason != nil {
			made[i].Reason = *e.data.Reason
		}
	}
	return mirror.Applied{Records: len(u.Upserts) + len(u.Gone), Events: len(log), Made: made}, nil
}

func (w *world) finishUnit(a *account, u mirror.Unit) {
	for _, r := range w.inbox {
		if slices.Contains(u.InboxDone, r.id) {
			r.done = true
		}
	}
	if u.Token != nil {
		a.tokens[listingKey{kind: u.Token.Kind, variant: u.Token.Variant}] = *u.Token
	}
	a.note(u)
	if u.EndHold != "" {
		a.hold = nil
	}
	if u.SetHold != nil {
		a.hold = u.SetHold
	}
}

func (w *world) Hold(ctx context.Context, connection string) (*mirror.Hold, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	return w.conns[connection].hold, nil
}

func (w *world) SyncState(ctx context.Context, connection string) (mirror.SyncState, error) {
	if err := w.enter(ctx); err != nil {
		return mirror.SyncState{}, err
	}
	defer w.mu.Unlock()
	return w.conns[connection].sync, nil
}

// allowed locks the world if the mandate is good for a write.
func (w *world) allowed(ctx context.Context, m mirror.Mandate) (*account, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	a, err := w.check(m)
	if err != nil {
		w.mu.Unlock()
	}
	return a, err
}

func (w *world) check(m mirror.Mandate) (*account, error) {
	p := w.parts[m.Lease.Part]
	if !w.lax && (p == nil || p.owner != m.Lease.Owner || p.epoch != m.Lease.Epoch || !time.Now().Before(p.expires)) {
		return nil, mirror.ErrLeaseLost
	}
	a := w.conns[m.Connection]
	switch {
	case m.Lease.Part != a.c.Part:
		return nil, fmt.Errorf("lease of partition %d for a connection of %d", m.Lease.Part, a.c.Part)
	case a.c.Status == mirror.StatusRemoved:
		return nil, mirror.ErrRemoved
	case a.c.Status == mirror.StatusPaused:
		return nil, mirror.ErrPaused
	}
	return a, nil
}

func (w *world) StartPoll(ctx context.Context, m mirror.Mandate, claim time.Duration) (mirror.Trigger, error) {
	a, err := w.allowed(ctx, m)
	if err != nil {
		return "", err
	}
	defer w.mu.Unlock()
	now := time.Now()
	a.sync.PollStartedAt, a.sync.Done, a.sync.Total, a.sync.NextPollAt = &now, 0, 0, now.Add(claim)
	if a.sync.FirstSyncedAt == nil {
		return mirror.TriggerRegistration, nil
	}
	return mirror.TriggerSchedule, nil
}

func (w *world) Advance(ctx context.Context, m mirror.Mandate, done, total int, claim time.Duration) error {
	a, err := w.allowed(ctx, m)
	if err != nil {
		return err
	}
	defer w.mu.Unlock()
	a.sync.Done, a.sync.Total, a.sync.NextPollAt = done, total, time.Now().Add(claim)
	return nil
}

func (w *world) FinishPoll(ctx context.Context, m mirror.Mandate, p mirror.CompletePoll) (bool, error) {
	a, err := w.allowed(ctx, m)
	if err != nil {
		return false, err
	}
	defer w.mu.Unlock()
	now := time.Now()
	first := a.sync.FirstSyncedAt == nil
	if first {
		a.sync.FirstSyncedAt = &now
	}
	a.sync.PollFinishedAt, a.sync.LastVerifiedAt, a.sync.LastError = &now, &p.Started, p.Unread
	a.sync.NextPollAt, a.atAshby = now.Add(p.Next), p.AtAshby
	if !p.RereadUntil.IsZero() {
		a.sync.RereadUntil = &p.RereadUntil
	}
	return first, nil
}

func (w *world) FailPoll(ctx context.Context, m mirror.Mandate, reason string, next time.Duration) error {
	a, err := w.allowed(ctx, m)
	if err != nil {
		return err
	}
	defer w.mu.Unlock()
	a.sync.LastError, a.sync.NextPollAt = reason, time.Now().Add(next)
	a.fails = append(a.fails, reason)
	return nil
}

func (w *world) SetStatus(ctx context.Context, m mirror.Mandate, c mirror.StatusChange) (bool, error) {
	if w.onStatus != nil {
		w.onStatus()
	}
	a, err := w.allowed(ctx, m)
	if errors.Is(err, mirror.ErrPaused) || errors.Is(err, mirror.ErrRemoved) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer w.mu.Unlock()
	if a.c.Status == c.Status || c.Key != nil && !bytes.Equal(c.Key, a.sealed) {
		return false, nil
	}
	if by := time.Now().Add(c.PollWithin); c.PollWithin > 0 && by.Before(a.sync.NextPollAt) {
		a.sync.NextPollAt = by
	}
	event := a.c.Status == mirror.StatusActive || c.Status == mirror.StatusActive
	a.c.Status, a.c.StatusCode, a.c.StatusReason = c.Status, c.Code, c.Reason
	w.statuses = append(w.statuses, c.Status)
	return event, nil
}
