package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// truth is what the fake store knows of records, holds, history and the gateway's heart. The store's lock guards it.
type truth struct {
	records map[string][]mirror.RecordState // by connection, in order
	held    []mirror.HeldView               // newest first
	history []mirror.HistoryEntry           // newest first
	puts    []mirror.WebhookSeen
	putErr  error
	gaps    []time.Duration // of the beats to come
	beats   int
	spreads []time.Duration
	beatErr error
}

func (s *fakeStore) Records(_ context.Context, q mirror.RecordQuery) ([]mirror.RecordState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.RecordState
	for _, r := range s.records[q.Connection] {
		isAfter := r.ChangedAt.After(q.After.ChangedAt) || r.ChangedAt.Equal(q.After.ChangedAt) && r.ID > q.After.ID
		if r.Kind == q.Kind && isAfter && !r.ChangedAt.Before(q.UpdatedSince) {
			out = append(out, r)
		}
	}
	return out[:min(q.Limit, len(out))], s.down
}

func (s *fakeStore) Record(_ context.Context, connection, kind, id string) (mirror.RecordState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records[connection] {
		if r.Kind == kind && r.ID == id {
			return r, nil
		}
	}
	return mirror.RecordState{}, mirror.ErrNotFound
}

func (s *fakeStore) Holds(_ context.Context, q mirror.HoldQuery) ([]mirror.HeldView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.HeldView
	for _, h := range s.held {
		isBefore := q.Before.ID == "" || h.OpenedAt.Before(q.Before.OpenedAt) ||
			h.OpenedAt.Equal(q.Before.OpenedAt) && h.ID < q.Before.ID
		if isBefore && (q.Ended || h.State != mirror.HoldEnded) && (q.Connection == "" || q.Connection == h.Connection) {
			out = append(out, h)
		}
	}
	return out[:min(q.Limit, len(out))], s.down
}

func (s *fakeStore) DecideHold(_ context.Context, id string, what mirror.HoldDecision) (mirror.HeldView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, h := range s.held {
		if h.ID != id {
			continue
		}
		if h.State == mirror.HoldEnded {
			return mirror.HeldView{}, fmt.Errorf("deciding: %w", mirror.ErrEnded)
		}
		what.At = s.now()
		s.held[i].State, s.held[i].Note, s.held[i].DecidedAt = what.State, what.Note, &what.At
		s.held[i].Decisions = append(slices.Clone(h.Decisions), what)
		return s.held[i], nil
	}
	return mirror.HeldView{}, mirror.ErrNotFound
}

func (s *fakeStore) Quarantine(_ context.Context, connection string, limit int) ([]mirror.Quarantined, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := s.conns[connection].rows
	return rows[:min(limit, len(rows))], nil
}

func (s *fakeStore) Runs(_ context.Context, q mirror.RunQuery) ([]mirror.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.Run
	for _, r := range s.conns[q.Connection].runs {
		if (q.Before == 0 || r.ID < q.Before) && (q.Task == "" || q.Task == r.Task) {
			out = append(out, r)
		}
	}
	return out[:min(q.Limit, len(out))], nil
}

func (s *fakeStore) History(
	_ context.Context, connection, posting string, beforeVersion int64, limit int,
) ([]mirror.HistoryEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.HistoryEntry
	for _, e := range s.history {
		if e.Connection == connection && e.Posting == posting && (beforeVersion == 0 || e.Version < beforeVersion) {
			out = append(out, e)
		}
	}
	return out[:min(limit, len(out))], nil
}

func (s *fakeStore) SettingsOf(_ context.Context, connection string) ([]mirror.WebhookSeen, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[connection].view().Webhooks, s.down
}

func (s *fakeStore) PutSetting(_ context.Context, connection string, seen mirror.WebhookSeen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putErr != nil {
		return s.putErr
	}
	s.puts = append(s.puts, seen)
	old := s.conns[connection].webhooks[seen.Action]
	seen.PingedAt, seen.LastSeenAt = old.PingedAt, old.LastSeenAt
	s.conns[connection].webhooks[seen.Action] = seen
	return nil
}

func (s *fakeStore) SealedKey(_ context.Context, id string) (mirror.Sealed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.live(id)
	if err != nil {
		return nil, err
	}
	return c.Key, nil
}

func (s *fakeStore) Beat(_ context.Context, service string) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beatErr != nil || service != "gateway" {
		return 0, s.beatErr
	}
	s.beats++
	if len(s.gaps) == 0 {
		return 0, nil
	}
	gap := s.gaps[0]
	s.gaps = s.gaps[1:]
	return gap, nil
}

func (s *fakeStore) SpreadPolls(_ context.Context, over time.Duration) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return 0, s.down
	}
	s.spreads = append(s.spreads, over)
	return len(s.conns), nil
}

// fakeAdmins is Ashby's webhook settings of one organization, and the keys that may manage them.
type fakeAdmins struct {
	mu       sync.Mutex
	keys     map[string]bool
	made     int
	settings map[string]fakeSetting // by id
	byHand   map[string]bool        // by type
	fail     map[string]error       // by type, of create; "info", "update" and "delete" fail those methods
	calls    []string
	// onCreate, if set, runs within the creation of a setting.
	onCreate func(action string)
	// unreached makes new settings disabled.
	unreached bool
	// slow has a new setting enabled by an update alone.
	slow bool
}

type fakeSetting struct {
	ashby.WebhookSetting
	secret ashby.Secret
}

func newFakeAdmins() *fakeAdmins {
	return &fakeAdmins{
		keys: map[string]bool{}, settings: map[string]fakeSetting{}, byHand: map[string]bool{}, fail: map[string]error{},
	}
}

func (f *fakeAdmins) of(key ashby.Secret) (WebhookAdmin, error) { return fakeAdmin{f, key}, nil }

func (f *fakeAdmins) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fakeAdmins) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

type fakeAdmin struct {
	*fakeAdmins
	key ashby.Secret
}

// enter is called with the lock held.
func (a fakeAdmin) enter(call, failure string) error {
	a.calls = append(a.calls, call)
	if !a.keys[a.key.Reveal()] {
		return fmt.Errorf("%s: %w", call, ashby.ErrMissingPermission)
	}
	return a.fail[failure]
}

func (a fakeAdmin) CreateWebhook(
	_ context.Context, action, url string, secret ashby.Secret,
) (ashby.WebhookSetting, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.enter("create "+action, action); err != nil {
		return ashby.WebhookSetting{}, err
	}
	if a.onCreate != nil {
		a.onCreate(action)
	}
	isThere := a.byHand[action]
	for _, s := range a.settings {
		isThere = isThere || s.Action == action && s.URL == url
	}
	if isThere {
		return ashby.WebhookSetting{}, ashby.ErrDuplicate
	}
	a.made++
	s := ashby.WebhookSetting{ID: fmt.Sprint("setting-", a.made), Action: action, URL: url, Enabled: !a.unreached && !a.slow}
	a.settings[s.ID] = fakeSetting{s, secret}
	return s, nil
}

func (a fakeAdmin) Webhook(_ context.Context, id string) (ashby.WebhookSetting, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.enter("info "+id, "info"); err != nil {
		return ashby.WebhookSetting{}, err
	}
	s, ok := a.settings[id]
	if !ok {
		return ashby.WebhookSetting{}, ashby.ErrNotFound
	}
	return s.WebhookSetting, nil
}

func (a fakeAdmin) UpdateWebhook(
	_ context.Context, id string, enabled *bool, url *string, secret *ashby.Secret,
) (ashby.WebhookSetting, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.enter("update "+id, "update"); err != nil {
		return ashby.WebhookSetting{}, err
	}
	s := a.settings[id]
	if enabled != nil {
		s.Enabled = *enabled && !a.unreached
	}
	if url != nil {
		s.URL = *url
	}
	if secret != nil {
		s.secret = *secret
	}
	a.settings[id] = s
	return s.WebhookSetting, nil
}

func (a fakeAdmin) DeleteWebhook(_ context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.enter("delete "+id, "delete"); err != nil {
		return err
	}
	delete(a.settings, id)
	return nil
}
