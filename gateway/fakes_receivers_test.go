package gateway

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// fakeReceivers is what the fake store knows of endpoints. The store's lock guards it.
type fakeReceivers struct {
	receivers map[string]mirror.ReceiverView
	parcels   []mirror.ParcelView // newest first
	replays   []mirror.Replay
	replayErr error
	// readErr fails the reading of one endpoint from the given number of reads on.
	receiverErr error
	readsLeft   int
}

func (s *fakeStore) CreateReceiver(_ context.Context, r mirror.Receiver) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	if err := s.employersExist(r.Employers); err != nil {
		return err
	}
	if s.receivers == nil {
		s.receivers = map[string]mirror.ReceiverView{}
	}
	s.receivers[r.ID] = mirror.ReceiverView{Receiver: r}
	return nil
}

// employersExist is called with the lock held.
func (s *fakeStore) employersExist(ids []string) error {
	var unknown mirror.UnknownConnections
	for _, id := range ids {
		if s.conns[id] == nil {
			unknown = append(unknown, id)
		}
	}
	if unknown != nil {
		return unknown
	}
	return nil
}

func (s *fakeStore) Receivers(_ context.Context, after string, limit int) ([]mirror.ReceiverView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.ReceiverView
	for _, r := range s.receivers {
		if r.ID > after {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b mirror.ReceiverView) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], s.down
}

func (s *fakeStore) Receiver(_ context.Context, id string) (mirror.ReceiverView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.receiverErr != nil {
		if s.readsLeft == 0 {
			return mirror.ReceiverView{}, s.receiverErr
		}
		s.readsLeft--
	}
	r, ok := s.receivers[id]
	if !ok {
		return r, mirror.ErrNotFound
	}
	return r, nil
}

// changeReceiver lets f change an endpoint.
func (s *fakeStore) changeReceiver(id string, f func(*mirror.ReceiverView)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.receivers[id]
	if !ok {
		return mirror.ErrNotFound
	}
	f(&r)
	s.receivers[id] = r
	return nil
}

func (s *fakeStore) PatchReceiver(_ context.Context, id string, p mirror.ReceiverPatch) error {
	if p.Employers != nil {
		s.mu.Lock()
		err := s.employersExist(*p.Employers)
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return s.changeReceiver(id, func(r *mirror.ReceiverView) {
		if p.URL != nil {
			r.URL = *p.URL
		}
		if p.Description != nil {
			r.Description = *p.Description
		}
		if p.Employers != nil {
			r.Employers = *p.Employers
		}
	})
}

func (s *fakeStore) RotateReceiver(_ context.Context, id string, sealed mirror.Sealed, overlap time.Duration) error {
	return s.changeReceiver(id, func(r *mirror.ReceiverView) {
		until := s.now().Add(overlap)
		r.Previous, r.PreviousUntil, r.Secret = r.Secret, &until, sealed
	})
}

func (s *fakeStore) PauseReceiver(_ context.Context, id, reason string) error {
	return s.changeReceiver(id, func(r *mirror.ReceiverView) {
		r.Status, r.StatusCode, r.StatusReason = mirror.ReceiverPaused, mirror.PausedOnRequest, reason
	})
}

func (s *fakeStore) ResumeReceiver(_ context.Context, id string) error {
	return s.changeReceiver(id, func(r *mirror.ReceiverView) {
		r.Status, r.StatusCode, r.StatusReason = mirror.ReceiverActive, "", ""
	})
}

func (s *fakeStore) DeleteReceiver(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.receivers[id]; !ok {
		return mirror.ErrNotFound
	}
	delete(s.receivers, id)
	return nil
}

func (s *fakeStore) Replay(_ context.Context, id string, what mirror.Replay) (mirror.Replayed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.receivers[id]
	switch {
	case !ok:
		return mirror.Replayed{}, mirror.ErrNotFound
	case r.Status != mirror.ReceiverActive:
		return mirror.Replayed{}, mirror.ErrNotActive
	case s.replayErr != nil:
		return mirror.Replayed{}, s.replayErr
	}
	s.replays = append(s.replays, what)
	return mirror.Replayed{Queued: 7, Superseded: 2}, nil
}

func (s *fakeStore) Parcels(_ context.Context, q mirror.ParcelQuery) ([]mirror.ParcelView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.receivers[q.Receiver]; !ok {
		return nil, mirror.ErrNotFound
	}
	var out []mirror.ParcelView
	for _, p := range s.parcels {
		if (q.State == "" || p.State == q.State) && (q.Before == 0 || p.ID < q.Before) {
			out = append(out, p)
		}
	}
	return out[:min(q.Limit, len(out))], nil
}

// fakeCourier answers as it is told.
type fakeCourier struct {
	mu     sync.Mutex
	sent   []courier.Message
	result courier.Result
	// during, if set, runs while a message is on its way.
	during func()
}

func (f *fakeCourier) send(_ context.Context, m courier.Message) courier.Result {
	f.mu.Lock()
	f.sent = append(f.sent, m)
	r, during := f.result, f.during
	f.mu.Unlock()
	if during != nil {
		during()
	}
	return r
}
