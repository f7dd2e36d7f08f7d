package syncer

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// passbook is how far the readings of an account's listings are.
type passbook struct {
	tokens  map[listingKey]mirror.Token
	passes  map[mirror.PassKey]mirror.Pass
	seen    map[mirror.PassKey][]string
	swept   map[listingKey]mirror.Swept
	stale   map[mirror.ParentKey]int64
	marks   int64
	bad     map[mirror.RecordKey]mirror.BadRow
	modules map[string]mirror.ModuleState
	// nextSlice is when the next slice is due.
	nextSlice time.Time
	coverage  map[string]mirror.Coverage
}

// listingKey names a listing.
type listingKey struct{ kind, variant string }

// newPassbook has no slice due, so that it does not mingle with a test's polls.
func newPassbook() passbook {
	return passbook{
		nextSlice: time.Now().Add(1000 * time.Hour),
		tokens:    map[listingKey]mirror.Token{}, passes: map[mirror.PassKey]mirror.Pass{}, seen: map[mirror.PassKey][]string{},
		swept: map[listingKey]mirror.Swept{}, stale: map[mirror.ParentKey]int64{}, bad: map[mirror.RecordKey]mirror.BadRow{},
		modules: map[string]mirror.ModuleState{}, coverage: map[string]mirror.Coverage{},
	}
}

// note takes what a unit says of passes, children and quarantine.
func (b *passbook) note(u mirror.Unit) {
	if step := u.Pass; step != nil {
		b.passes[step.Pass.PassKey] = step.Pass
		b.seen[step.Pass.PassKey] = append(b.seen[step.Pass.PassKey], step.Seen...)
		if step.Done {
			delete(b.passes, step.Pass.PassKey)
			delete(b.seen, step.Pass.PassKey)
		}
		if s := step.Swept; s != nil {
			b.swept[listingKey{kind: s.Kind, variant: s.Variant}] = *s
		}
	}
	for _, k := range u.Released {
		delete(b.bad, k)
	}
	for _, r := range u.Bad {
		b.bad[mirror.RecordKey{Kind: r.Kind, ID: r.ID}] = r
	}
	for _, p := range u.ReadParents {
		if key := (mirror.ParentKey{Kind: p.Kind, Parent: p.Parent}); b.stale[key] == p.Mark {
			delete(b.stale, key)
		}
	}
	for _, p := range u.StaleParents {
		b.marks++
		b.stale[p] = b.marks
	}
}

// look reads from an account.
func look[T any](ctx context.Context, w *world, connection string, read func(a *account) T) (T, error) {
	var zero T
	if err := w.enter(ctx); err != nil {
		return zero, err
	}
	defer w.mu.Unlock()
	a := w.conns[connection]
	if a == nil {
		return zero, mirror.ErrNotFound
	}
	return read(a), nil
}

func (w *world) Token(ctx context.Context, connection, kind, variant string) (mirror.Token, error) {
	t, err := look(ctx, w, connection, func(a *account) *mirror.Token {
		if t, known := a.tokens[listingKey{kind: kind, variant: variant}]; known {
			return &t
		}
		return nil
	})
	switch {
	case err != nil:
		return mirror.Token{}, err
	case t == nil:
		return mirror.Token{}, mirror.ErrNotFound
	}
	return *t, nil
}

func (w *world) Pass(ctx context.Context, connection string, key mirror.PassKey) (*mirror.Pass, error) {
	return look(ctx, w, connection, func(a *account) *mirror.Pass {
		if p, known := a.passes[key]; known {
			return &p
		}
		return nil
	})
}

func (w *world) Unseen(ctx context.Context, connection string, p mirror.Pass, limit int) ([]string, error) {
	return look(ctx, w, connection, func(a *account) []string {
		var ids []string
		for k, r := range a.records {
			if k.Kind == p.Kind && r.Variant == p.Variant && !r.gone && r.FetchedAt.Before(p.StartedAt) &&
				!slices.Contains(a.seen[p.PassKey], k.ID) {
				ids = append(ids, k.ID)
			}
		}
		slices.Sort(ids)
		return ids[:min(limit, len(ids))]
	})
}

func (w *world) Swept(ctx context.Context, connection, kind, variant string) (*mirror.Swept, error) {
	return look(ctx, w, connection, func(a *account) *mirror.Swept {
		if s, known := a.swept[listingKey{kind: kind, variant: variant}]; known {
			return &s
		}
		return nil
	})
}

func (w *world) StaleParents(ctx context.Context, connection string, kinds []string, limit int) ([]mirror.StaleParent, error) {
	return look(ctx, w, connection, func(a *account) []mirror.StaleParent {
		var list []mirror.StaleParent
		for p, mark := range a.stale {
			if slices.Contains(kinds, p.Kind) {
				list = append(list, mirror.StaleParent{Kind: p.Kind, Parent: p.Parent, Mark: mark})
			}
		}
		slices.SortFunc(list, func(a, b mirror.StaleParent) int { return cmp.Compare(a.Mark, b.Mark) })
		return list[:min(limit, len(list))]
	})
}

func (w *world) Children(ctx context.Context, connection, kind, parent string) (map[string]mirror.Head, error) {
	return look(ctx, w, connection, func(a *account) map[string]mirror.Head {
		heads := map[string]mirror.Head{}
		for k, r := range a.records {
			if k.Kind == kind && r.Parent == parent && !r.gone {
				heads[k.ID] = mirror.Head{Hash: r.Hash}
			}
		}
		return heads
	})
}

func (w *world) RecordIDs(ctx context.Context, connection, kind, after string, limit int) ([]string, error) {
	return look(ctx, w, connection, func(a *account) []string {
		var ids []string
		for k, r := range a.records {
			if k.Kind == kind && !r.gone && k.ID > after {
				ids = append(ids, k.ID)
			}
		}
		slices.Sort(ids)
		return ids[:min(limit, len(ids))]
	})
}

func (w *world) Quarantined(ctx context.Context, connection string, kinds []string, limit int) ([]mirror.RecordKey, error) {
	return look(ctx, w, connection, func(a *account) []mirror.RecordKey {
		var keys []mirror.RecordKey
		for k := range a.bad {
			if slices.Contains(kinds, k.Kind) && !strings.HasPrefix(k.ID, "row-") && len(keys) < limit {
				keys = append(keys, k)
			}
		}
		return keys
	})
}

func (w *world) Nameless(ctx context.Context, connection, kind string, _ time.Time) ([]mirror.RecordKey, error) {
	return look(ctx, w, connection, func(a *account) []mirror.RecordKey {
		var keys []mirror.RecordKey
		for k := range a.bad {
			if k.Kind == kind && strings.HasPrefix(k.ID, "row-") && !strings.HasPrefix(k.ID, "row-of-") {
				keys = append(keys, k)
			}
		}
		return keys
	})
}

func (w *world) HeadsOf(ctx context.Context, connection, kind string, ids []string) (map[string]mirror.Head, error) {
	all, err := w.Heads(ctx, connection, kind)
	if err != nil {
		return nil, err
	}
	some := map[string]mirror.Head{}
	for _, id := range ids {
		if h, known := all[id]; known {
			some[id] = h
		}
	}
	return some, nil
}

func (w *world) DueRecords(ctx context.Context, parts []int, claim time.Duration, limit int) ([]mirror.Hint, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var due []mirror.Hint
	for id, a := range w.conns {
		readable := a.c.Status == mirror.StatusActive || a.c.Status == mirror.StatusDegraded
		if len(due) < limit && readable && a.sync.FirstSyncedAt != nil && slices.Contains(parts, a.c.Part) &&
			!time.Now().Before(a.nextSlice) {
			a.nextSlice = time.Now().Add(claim)
			due = append(due, mirror.Hint{Connection: id, Kind: mirror.HintRecords})
		}
	}
	return due, nil
}

func (w *world) StartRecords(ctx context.Context, m mirror.Mandate, claim time.Duration) error {
	return w.FinishRecords(ctx, m, claim)
}

func (w *world) FinishRecords(ctx context.Context, m mirror.Mandate, next time.Duration) error {
	a, err := w.allowed(ctx, m)
	if err != nil {
		return err
	}
	defer w.mu.Unlock()
	a.nextSlice = time.Now().Add(next)
	return nil
}

func (w *world) ModuleStates(ctx context.Context, connection string) (map[string]mirror.ModuleState, error) {
	return look(ctx, w, connection, func(a *account) map[string]mirror.ModuleState {
		states := map[string]mirror.ModuleState{}
		for k, s := range a.modules {
			states[k] = s
		}
		return states
	})
}

func (w *world) SetModule(ctx context.Context, m mirror.Mandate, s mirror.ModuleState) error {
	a, err := w.allowed(ctx, m)
	if err != nil {
		return err
	}
	defer w.mu.Unlock()
	if s.Since = time.Now(); a.modules[s.Module].State == s.State {
		s.Since = a.modules[s.Module].Since
	}
	a.modules[s.Module] = s
	return nil
}

func (w *world) NoteRuns(ctx context.Context, runs []mirror.Run) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	w.runs = append(w.runs, runs...)
	return nil
}

func (w *world) NoteCoverage(ctx context.Context, connection string, cs []mirror.Coverage) error {
	_, err := look(ctx, w, connection, func(a *account) bool {
		for _, c := range cs {
			sum := a.coverage[c.Action]
			sum.Action, sum.ByWebhook, sum.ByPoll = c.Action, sum.ByWebhook+c.ByWebhook, sum.ByPoll+c.ByPoll
			a.coverage[c.Action] = sum
		}
		return true
	})
	return err
}

func (w *world) Beat(ctx context.Context, service string) (time.Duration, error) {
	if err := w.enter(ctx); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	before, known := w.beats[service]
	w.beats[service] = time.Now()
	if !known {
		return 0, nil
	}
	return time.Since(before), nil
}

func (w *world) SpreadPolls(ctx context.Context, over time.Duration) (int, error) {
	if err := w.enter(ctx); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	n := 0
	for _, a := range w.conns {
		n++
		if by := time.Now().Add(time.Duration(n) * over / time.Duration(len(w.conns)+1)); by.Before(a.sync.NextPollAt) {
			a.sync.NextPollAt = by
		}
	}
	return n, nil
}
