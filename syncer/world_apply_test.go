package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func (w *world) Apply(ctx context.Context, u mirror.Unit) (mirror.Applied, error) {
	if w.onApply != nil {
		w.onApply(u)
	}
	if err := w.enter(ctx); err != nil {
		return mirror.Applied{}, err
	}
	defer w.mu.Unlock()
	p := w.parts[u.Lease.Part]
	if p == nil || p.owner != u.Lease.Owner || p.epoch != u.Lease.Epoch || !time.Now().Before(p.expires) {
		return mirror.Applied{}, mirror.ErrLeaseLost
	}
	a := w.conns[u.Connection]
	if a.c.Status == mirror.StatusRemoved {
		return mirror.Applied{}, mirror.ErrRemoved
	}
	if u.Lease.Part != a.c.Part {
		return mirror.Applied{}, fmt.Errorf("lease of partition %d for a connection of %d", u.Lease.Part, a.c.Part)
	}
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
	return mirror.Applied{Records: len(u.Upserts) + len(u.Gone), Events: len(log)}, nil
}

func (w *world) finishUnit(a *account, u mirror.Unit) {
	for _, r := range w.inbox {
		if slices.Contains(u.InboxDone, r.id) {
			r.done = true
		}
	}
	if u.Token != nil {
		a.tokens[u.Token.Kind] = *u.Token
	}
	if u.ClearHold {
		a.hold = nil
	}
	if u.SetHold != nil {
		a.hold = u.SetHold
	}
}

func (w *world) Token(ctx context.Context, connection, kind string) (mirror.Token, error) {
	if err := w.enter(ctx); err != nil {
		return mirror.Token{}, err
	}
	defer w.mu.Unlock()
	t, known := w.conns[connection].tokens[kind]
	if !known {
		return mirror.Token{}, mirror.ErrNotFound
	}
	return t, nil
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

func (w *world) StartPoll(ctx context.Context, connection string, claim time.Duration) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	now := time.Now()
	s := &w.conns[connection].sync
	s.PollStartedAt, s.Done, s.Total, s.NextPollAt = &now, 0, 0, now.Add(claim)
	return nil
}

func (w *world) Advance(ctx context.Context, connection string, done, total int, claim time.Duration) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	s := &w.conns[connection].sync
	s.Done, s.Total, s.NextPollAt = done, total, time.Now().Add(claim)
	return nil
}

func (w *world) FinishPoll(
	ctx context.Context, connection string, started time.Time, atAshby int, next time.Duration,
) (bool, error) {
	if err := w.enter(ctx); err != nil {
		return false, err
	}
	defer w.mu.Unlock()
	a, now := w.conns[connection], time.Now()
	first := a.sync.FirstSyncedAt == nil
	if first {
		a.sync.FirstSyncedAt = &now
	}
	a.sync.PollFinishedAt, a.sync.LastVerifiedAt, a.sync.LastError = &now, &started, ""
	a.sync.NextPollAt, a.atAshby = now.Add(next), atAshby
	return first, nil
}

func (w *world) FailPoll(ctx context.Context, connection, reason string, next time.Duration) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	a := w.conns[connection]
	a.sync.LastError, a.sync.NextPollAt = reason, time.Now().Add(next)
	a.fails = append(a.fails, reason)
	return nil
}

func (w *world) SetStatus(ctx context.Context, connection string, status mirror.Status, reason string) (bool, error) {
	if err := w.enter(ctx); err != nil {
		return false, err
	}
	defer w.mu.Unlock()
	a := w.conns[connection]
	if a.c.Status == mirror.StatusPaused || a.c.Status == mirror.StatusRemoved || a.c.Status == status {
		return false, nil
	}
	event := a.c.Status == mirror.StatusActive || status == mirror.StatusActive
	a.c.Status, a.c.StatusReason = status, reason
	w.statuses = append(w.statuses, status)
	return event, nil
}
