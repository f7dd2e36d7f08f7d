package gateway

import (
	"context"
	"fmt"
	"time"

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

func (s *fakeStore) HeldBy(_ context.Context, id string) (mirror.HeldView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if h.ID == id {
			return h, nil
		}
	}
	return mirror.HeldView{}, mirror.ErrNotFound
}

func (s *fakeStore) DecideHold(_ context.Context, id, state, note string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, h := range s.held {
		if h.ID != id {
			continue
		}
		if h.State == mirror.HoldEnded {
			return fmt.Errorf("deciding: %w", mirror.ErrEnded)
		}
		now := s.now()
		s.held[i].State, s.held[i].Note, s.held[i].DecidedAt = state, note, &now
		return nil
	}
	return mirror.ErrNotFound
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
