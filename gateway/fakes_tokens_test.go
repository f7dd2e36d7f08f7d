package gateway

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// fakeToken is a token and its hash.
type fakeToken struct {
	mirror.APIToken
	hash []byte
}

// fakeTokens are the tokens and the audit log of the fake store, whose lock guards them.
type fakeTokens struct {
	tokens []*fakeToken
	// asked counts lookups, listed readings of all hashes, uses how often a use was noted.
	asked, listed, uses int
	acts                []mirror.AuditEntry
	// mute is the error of what writes the audit log, if set.
	mute error
	// onDue, if set, is called when a poll was made due, under the lock.
	onDue func()
}

func (s *fakeStore) CreateToken(_ context.Context, t mirror.APIToken, hash []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.tokens {
		if other.Name == t.Name && unusable(other.APIToken, s.now()) == "" {
			return mirror.ErrDuplicateName
		}
	}
	s.tokens = append(s.tokens, &fakeToken{t, hash})
	return s.down
}

func (s *fakeStore) Tokens(_ context.Context, q mirror.TokenQuery) ([]mirror.APIToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.APIToken
	for _, t := range s.tokens {
		if t.ID > q.After && (q.Revoked || t.RevokedAt == nil) {
			out = append(out, t.APIToken)
		}
	}
	return out[:min(q.Limit, len(out))], s.down
}

func (s *fakeStore) RevokeToken(_ context.Context, id string) (mirror.APIToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		if t.ID == id {
			if now := s.now(); t.RevokedAt == nil {
				t.RevokedAt = &now
			}
			return t.APIToken, s.down
		}
	}
	return mirror.APIToken{}, mirror.ErrNotFound
}

func (s *fakeStore) TokenOf(_ context.Context, hash []byte) (mirror.APIToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.down != nil {
		return mirror.APIToken{}, s.down
	}
	for _, t := range s.tokens {
		if bytes.Equal(t.hash, hash) {
			return t.APIToken, nil
		}
	}
	return mirror.APIToken{}, mirror.ErrNotFound
}

func (s *fakeStore) TokenHashes(context.Context) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed++
	var out [][]byte
	for _, t := range s.tokens {
		if unusable(t.APIToken, s.now()) == "" {
			out = append(out, t.hash)
		}
	}
	return out, s.down
}

func (s *fakeStore) TokenUsed(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		if now := s.now(); t.ID == id {
			s.uses++
			t.LastUsedAt = &now
		}
	}
	return s.down
}

// muted is the error of what writes the audit log; the lock is held.
func (s *fakeStore) muted() error {
	if s.mute != nil {
		return s.mute
	}
	return s.down
}

func (s *fakeStore) BeginAct(_ context.Context, a mirror.Act) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.muted(); err != nil {
		return 0, err
	}
	id := int64(len(s.acts) + 1)
	s.acts = append(s.acts, mirror.AuditEntry{Act: a, ID: id, At: s.now(), Outcome: mirror.ActStarted})
	return id, nil
}

func (s *fakeStore) FinishAct(_ context.Context, id int64, end mirror.ActEnd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.muted(); err != nil {
		return err
	}
	e, now := &s.acts[id-1], s.now()
	if e.Outcome != mirror.ActStarted {
		return mirror.ErrNotFound
	}
	e.Outcome, e.Status, e.FinishedAt = end.Outcome, &end.Status, &now
	if end.Target != "" {
		e.Target = end.Target
	}
	if end.Connection != "" {
		e.Connection = end.Connection
	}
	detail := maps.Clone(e.Detail)
	if detail == nil {
		detail = map[string]any{}
	}
	maps.Copy(detail, end.Detail)
	e.Detail = detail
	return nil
}

func (s *fakeStore) AuditLog(_ context.Context, q mirror.AuditQuery) ([]mirror.AuditEntry, error) {
	var out []mirror.AuditEntry
	for _, e := range slices.Backward(s.actsNow()) {
		if q.Before.ID != 0 && e.ID >= q.Before.ID || q.Actor != "" && q.Actor != e.Actor.ID && q.Actor != e.Actor.Name ||
			q.Action != "" && q.Action != e.Action && !strings.HasPrefix(e.Action, q.Action+".") ||
			q.Connection != "" && q.Connection != e.Connection || e.At.Before(q.Since) ||
			!q.Until.IsZero() && !e.At.Before(q.Until) {
			continue
		}
		out = append(out, e)
	}
	return out[:min(q.Limit, len(out))], nil
}

// actsNow is the whole audit log, in order.
func (s *fakeStore) actsNow() []mirror.AuditEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.acts)
}
