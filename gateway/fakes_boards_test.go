package gateway

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// fakeBoards keeps what Subscribers says, in memory, and is NATS with the boards' consumers beside it.
type fakeBoards struct {
	now func() time.Time

	mu     sync.Mutex
	rows   map[string]mirror.Subscriber
	hashes map[string][]byte
	// connections are those that there are.
	connections []string
	// consumers are the boards', by user; lags, versions and places are what NATS tells.
	consumers map[string]mirror.Subscriber
	lag       mirror.Lag
	place     uint64
	versions  mirror.Versions
	// storeDown and natsDown are the errors of either while it is away.
	storeDown, natsDown error
	lookups             int
	admit               func(ctx context.Context, l mirror.Login) error
	issuer              ashby.Secret
}

func newFakeBoards(now func() time.Time) *fakeBoards {
	return &fakeBoards{
		now: now, rows: map[string]mirror.Subscriber{}, hashes: map[string][]byte{}, consumers: map[string]mirror.Subscriber{},
		connections: []string{"acme", "beta"},
	}
}

func (f *fakeBoards) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeBoards) unknown(employers []string) error {
	var unknown mirror.UnknownConnections
	for _, id := range employers {
		if !slices.Contains(f.connections, id) {
			unknown = append(unknown, id)
		}
	}
	if unknown != nil {
		return unknown
	}
	return nil
}

func (f *fakeBoards) CreateSubscriber(_ context.Context, s mirror.Subscriber, hash []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.storeDown != nil {
		return f.storeDown
	}
	if err := f.unknown(s.Employers); err != nil {
		return err
	}
	f.rows[s.ID], f.hashes[s.ID] = s, hash
	return nil
}

// changed lets change alter a row.
func (f *fakeBoards) changed(id string, change func(s *mirror.Subscriber) error) (mirror.Subscriber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.storeDown != nil {
		return mirror.Subscriber{}, f.storeDown
	}
	s, ok := f.rows[id]
	switch {
	case !ok:
		return s, mirror.ErrNotFound
	case s.RevokedAt != nil:
		return s, mirror.ErrRevoked
	}
	if err := change(&s); err != nil {
		return s, err
	}
	f.rows[id] = s
	return s, nil
}

func (f *fakeBoards) Subscriber(_ context.Context, id string) (mirror.Subscriber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.rows[id]; ok {
		return s, f.storeDown
	}
	return mirror.Subscriber{}, mirror.ErrNotFound
}

func (f *fakeBoards) Subscribers(_ context.Context, after string, limit int) ([]mirror.Subscriber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []mirror.Subscriber
	for _, s := range f.rows {
		if s.ID > after && s.RevokedAt == nil {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b mirror.Subscriber) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], f.storeDown
}

func begin(s *mirror.Subscriber, start mirror.Start) {
	s.Replay, s.Start, s.MadeAt = s.Replay+1, start, nil
}

func (f *fakeBoards) PatchSubscriber(_ context.Context, id string, p mirror.SubscriberPatch) (mirror.Subscriber, error) {
	return f.changed(id, func(s *mirror.Subscriber) error {
		if p.Name != nil {
			s.Name = *p.Name
		}
		if p.Employers == nil {
			return nil
		}
		if err := f.unknown(*p.Employers); err != nil {
			return err
		}
		if (s.Employers == nil) != (*p.Employers == nil) || !slices.Equal(s.Employers, *p.Employers) {
			s.Employers = *p.Employers
			begin(s, mirror.Start{Kind: mirror.StartSnapshot})
		}
		return nil
	})
}

func (f *fakeBoards) RotateSubscriber(_ context.Context, id string, hash []byte) (mirror.Subscriber, error) {
	return f.changed(id, func(s *mirror.Subscriber) error {
		now := f.now()
		s.Generation, s.Start, s.MadeAt, s.RotatedAt = s.Generation+1, mirror.Start{Kind: mirror.StartPrevious}, nil, &now
		f.hashes[id] = hash
		return nil
	})
}

func (f *fakeBoards) ReplaySubscriber(_ context.Context, id string, start mirror.Start) (mirror.Subscriber, error) {
	return f.changed(id, func(s *mirror.Subscriber) error { begin(s, start); return nil })
}

func (f *fakeBoards) RevokeSubscriber(_ context.Context, id string) (mirror.Subscriber, error) {
	return f.changed(id, func(s *mirror.Subscriber) error {
		now := f.now()
		s.RevokedAt = &now
		return nil
	})
}

func (f *fakeBoards) Credential(_ context.Context, id string, generation int) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups++
	if f.storeDown != nil {
		return nil, f.storeDown
	}
	if s, ok := f.rows[id]; ok && s.Generation == generation && s.RevokedAt == nil {
		return f.hashes[id], nil
	}
	return nil, mirror.ErrNotFound
}

func (f *fakeBoards) SubscriberMade(_ context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	row := f.rows[s.ID]
	if row.SameConsumer(s) && row.MadeAt == nil {
		now := f.now()
		row.MadeAt = &now
		f.rows[s.ID] = row
	}
	return row, f.storeDown
}

func (f *fakeBoards) SubscriberLost(_ context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	return f.changed(s.ID, func(s *mirror.Subscriber) error {
		s.Start, s.MadeAt = mirror.Start{Kind: mirror.StartSnapshot}, nil
		return nil
	})
}

func (f *fakeBoards) PutSubscriber(_ context.Context, s mirror.Subscriber) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.natsDown != nil {
		return f.natsDown
	}
	old := mirror.SubscriberUser(s.ID, s.Generation-1)
	if _, there := f.consumers[old]; s.Start.Kind == mirror.StartPrevious && !there {
		return mirror.ErrNoConsumer
	}
	delete(f.consumers, old)
	f.consumers[s.User()] = s
	return nil
}

func (f *fakeBoards) DropSubscriber(_ context.Context, id string, generation int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.natsDown == nil {
		delete(f.consumers, mirror.SubscriberUser(id, generation))
	}
	return f.natsDown
}

func (f *fakeBoards) SubscriberLag(_ context.Context, s mirror.Subscriber) (mirror.Lag, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.consumers[s.User()]; !there && f.natsDown == nil {
		return mirror.Lag{}, mirror.ErrNoConsumer
	}
	return f.lag, f.natsDown
}

func (f *fakeBoards) JobPlace(_ context.Context, _, _ string, version int64) (uint64, mirror.Versions, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.natsDown != nil {
		return 0, mirror.Versions{}, f.natsDown
	}
	if version < f.versions.Oldest || version > f.versions.Newest {
		return 0, f.versions, mirror.ErrNoVersion
	}
	return f.place, f.versions, nil
}

func (f *fakeBoards) ServeLogins(
	ctx context.Context, issuer ashby.Secret, admit func(ctx context.Context, l mirror.Login) error,
) error {
	f.set(func() { f.issuer, f.admit = issuer, admit })
	<-ctx.Done()
	return nil
}
