package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// fakeStore keeps what the interfaces of store.go say, in memory.
type fakeStore struct {
	now func() time.Time

	mu      sync.Mutex
	conns   map[string]*fakeConnection
	jobs    []mirror.JobState
	inbox   []mirror.Delivery
	have    map[mirror.Delivery]bool // by connection, action and dedupe
	batches []int
	seen    []sighting
	lookups int
	due     []string
	down    error
	truth
	fakeFeeds
	fakeReceivers
	fakeTokens
	// commit, if set, replaces the commit; it may call commitNow.
	commit func(ctx context.Context, ds []mirror.Delivery) error
}

type fakeConnection struct {
	mirror.NewConnection
	previous  mirror.Sealed
	changedAt time.Time
	postings  []string
	sync      mirror.SyncState
	webhooks  map[string]mirror.WebhookSeen
	coverage  []mirror.Coverage
	modules   []mirror.ModuleState
	rows      []mirror.Quarantined
	runs      []mirror.Run
	purged    []string
}

func newFakeStore(now func() time.Time) *fakeStore {
	return &fakeStore{now: now, conns: make(map[string]*fakeConnection), have: make(map[mirror.Delivery]bool)}
}

func (s *fakeStore) setDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

func (s *fakeStore) Create(_ context.Context, c mirror.NewConnection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	for _, other := range s.conns {
		if other.Status == mirror.StatusRemoved {
			continue
		}
		if slices.Equal(other.KeyFingerprint, c.KeyFingerprint) {
			return mirror.ErrDuplicateKey
		}
		if other.EmployerRef == c.EmployerRef {
			return mirror.ErrDuplicateEmployer
		}
	}
	s.conns[c.ID] = &fakeConnection{NewConnection: c, changedAt: s.now(), webhooks: map[string]mirror.WebhookSeen{}}
	return nil
}

func (s *fakeStore) View(_ context.Context, id string) (mirror.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return mirror.View{}, s.down
	}
	c, ok := s.conns[id]
	if !ok {
		return mirror.View{}, mirror.ErrNotFound
	}
	return c.view(), nil
}

func (c *fakeConnection) view() mirror.View {
	v := mirror.View{
		Connection: c.Connection, Sync: c.sync, Counts: mirror.Counts{Mirrored: len(c.postings)},
		Coverage: c.coverage, ModuleStates: c.modules, Quarantined: len(c.rows),
	}
	for _, w := range c.webhooks {
		v.Webhooks = append(v.Webhooks, w)
	}
	return v
}

func (s *fakeStore) Views(_ context.Context, after string, limit int) ([]mirror.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	var out []mirror.View
	for _, c := range s.conns {
		if c.ID > after && c.Status != mirror.StatusRemoved {
			out = append(out, c.view())
		}
	}
	slices.SortFunc(out, func(a, b mirror.View) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], nil
}

func (s *fakeStore) Patch(_ context.Context, id string, p mirror.ConnectionPatch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	c, err := s.live(id)
	if err != nil {
		return err
	}
	if p.EmployerName != nil {
		c.EmployerName = *p.EmployerName
	}
	if p.PollInterval != nil {
		c.PollInterval = *p.PollInterval
	}
	if p.Paused != nil {
		c.Status = mirror.StatusActive
		if *p.Paused {
			c.Status = mirror.StatusPaused
		}
	}
	if p.Modules != nil {
		c.Modules, c.purged = p.Modules, p.PurgeKinds
	}
	if p.Report != nil {
		c.Report = *p.Report
	}
	if p.Key != nil {
		c.Key, c.KeyFingerprint, c.KeyLast4, c.Report = p.Key.Sealed, p.Key.Fingerprint, p.Key.Last4, p.Key.Report
	}
	if p.WebhookSecret != nil {
		c.previous, c.WebhookSecret, c.changedAt = c.WebhookSecret, p.WebhookSecret, s.now()
	}
	return nil
}

// live is called with the lock held.
func (s *fakeStore) live(id string) (*fakeConnection, error) {
	c, ok := s.conns[id]
	switch {
	case !ok:
		return nil, mirror.ErrNotFound
	case c.Status == mirror.StatusRemoved:
		return nil, mirror.ErrRemoved
	}
	return c, nil
}

func (s *fakeStore) Remove(_ context.Context, id string, jobs mirror.Removal) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.live(id)
	if err != nil {
		return 0, err
	}
	c.Status, c.Key, c.WebhookSecret, c.previous = mirror.StatusRemoved, nil, nil, nil
	if jobs == mirror.CloseJobs {
		return 1 + len(c.postings), nil
	}
	return 1, nil
}

func (s *fakeStore) MakeDue(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.live(id); err != nil {
		return err
	}
	s.due = append(s.due, id)
	if s.onDue != nil {
		s.onDue()
	}
	return nil
}

func (s *fakeStore) KnownPostings(_ context.Context, id string, postings []string) (int, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := 0
	for _, p := range postings {
		if slices.Contains(s.conns[id].postings, p) {
			known++
		}
	}
	return len(s.conns[id].postings), known, nil
}

func (s *fakeStore) KeyInUse(_ context.Context, fingerprint []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return "", s.down
	}
	for _, c := range s.conns {
		if c.Status != mirror.StatusRemoved && slices.Equal(c.KeyFingerprint, fingerprint) {
			return c.ID, nil
		}
	}
	return "", mirror.ErrNotFound
}

func (s *fakeStore) Jobs(_ context.Context, q mirror.JobQuery) ([]mirror.JobState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	var out []mirror.JobState
	for _, j := range s.jobs {
		k, err := keyOf(j)
		if err != nil {
			return nil, err
		}
		after := mirror.JobCursor{UpdatedAt: j.UpdatedAt, Connection: k.Connection, Posting: k.ID}
		if q.Connection != "" && q.Connection != k.Connection || q.State != "" && q.State != j.State ||
			j.UpdatedAt.Before(q.UpdatedSince) || compareCursors(after, q.After) <= 0 {
			continue
		}
		out = append(out, j)
	}
	return out[:min(q.Limit, len(out))], nil
}

func compareCursors(a, b mirror.JobCursor) int {
	if c := a.UpdatedAt.Compare(b.UpdatedAt); c != 0 {
		return c
	}
	if c := strings.Compare(a.Connection, b.Connection); c != 0 {
		return c
	}
	return strings.Compare(a.Posting, b.Posting)
}

func (s *fakeStore) Job(_ context.Context, connection, posting string) ([]mirror.JobState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.JobState
	for _, j := range s.jobs {
		k, err := keyOf(j)
		if err != nil {
			return nil, err
		}
		if k.ID == posting && (connection == "" || connection == k.Connection) {
			out = append(out, j)
		}
	}
	return out, nil
}

func (s *fakeStore) Endpoint(_ context.Context, token string) (mirror.Endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups++
	if s.down != nil {
		return mirror.Endpoint{}, s.down
	}
	for _, c := range s.conns {
		if c.WebhookToken == token {
			return mirror.Endpoint{
				Connection: c.ID, Removed: c.Status == mirror.StatusRemoved,
				Secret: c.WebhookSecret, Previous: c.previous, SecretChangedAt: c.changedAt,
			}, nil
		}
	}
	return mirror.Endpoint{}, mirror.ErrNotFound
}

func (s *fakeStore) Commit(ctx context.Context, ds []mirror.Delivery) error {
	s.mu.Lock()
	replaced := s.commit
	s.mu.Unlock()
	if replaced != nil {
		return replaced(ctx, ds)
	}
	return s.commitNow(ds)
}

func (s *fakeStore) commitNow(ds []mirror.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	s.batches = append(s.batches, len(ds))
	for _, d := range ds {
		key := mirror.Delivery{Connection: d.Connection, Action: d.Action, Dedupe: d.Dedupe}
		if !s.have[key] {
			s.have[key] = true
			s.inbox = append(s.inbox, d)
		}
	}
	return nil
}

func (s *fakeStore) Seen(_ context.Context, connection, action string, ping bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	s.seen = append(s.seen, sighting{connection, action, ping})
	w, now := s.conns[connection].webhooks[action], s.now()
	w.Action, w.LastSeenAt = action, &now
	if ping {
		w.PingedAt = &now
	}
	s.conns[connection].webhooks[action] = w
	return nil
}

func (s *fakeStore) stored() []mirror.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.inbox)
}

func (s *fakeStore) sightings() []sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// change runs f with the lock held.
func (s *fakeStore) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// fakeBus keeps hints and spilled deliveries.
type fakeBus struct {
	mu      sync.Mutex
	hints   []mirror.Hint
	spilled []mirror.Delivery
	wakes   int
	// webhookWakes counts those of the sender.
	webhookWakes int
	down         error
}

func (b *fakeBus) setDown(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = err
}

func (b *fakeBus) PublishHint(_ context.Context, h mirror.Hint) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return b.down
	}
	b.hints = append(b.hints, h)
	return nil
}

func (b *fakeBus) Spill(_ context.Context, d mirror.Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return b.down
	}
	b.spilled = append(b.spilled, d)
	return nil
}

func (b *fakeBus) DrainSpill(ctx context.Context, commit func(context.Context, []mirror.Delivery) error) error {
	b.mu.Lock()
	down, batch := b.down, slices.Clone(b.spilled)
	b.mu.Unlock()
	if down != nil {
		return down
	}
	if len(batch) == 0 {
		return nil
	}
	if err := commit(ctx, batch); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spilled = b.spilled[len(batch):]
	return nil
}

func (b *fakeBus) WakeRelay() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakes++
}

func (b *fakeBus) WakeWebhooks() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.webhookWakes++
}

func (b *fakeBus) published() []mirror.Hint {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.hints)
}

func (b *fakeBus) waiting() []mirror.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.spilled)
}

// fakeProber answers by key.
type fakeProber struct {
	mu      sync.Mutex
	answers map[string]probeAnswer
	calls   int
	modules []string // of the last call
}

type probeAnswer struct {
	report   mirror.Report
	postings []string
	err      error
}

func (p *fakeProber) Probe(_ context.Context, key ashby.Secret, modules []string) (mirror.Report, []string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.modules = modules
	a, ok := p.answers[key.Reveal()]
	if !ok {
		return mirror.Report{}, nil, ashby.ErrUnauthorized
	}
	return a.report, a.postings, a.err
}

func (p *fakeProber) set(key string, a probeAnswer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[key] = a
}

var errBoom = errors.New("boom")
