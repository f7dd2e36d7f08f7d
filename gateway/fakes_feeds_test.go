package gateway

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// fakeFeed is a feed and the hash of its token.
type fakeFeed struct {
	mirror.Feed
	hash []byte
}

// fakeFeeds are the feeds of the fake store and what its reading of them does. The store's lock guards it.
type fakeFeeds struct {
	feeds    []*fakeFeed
	states   int
	pages    int
	reads    int
	readErr  error
	horizon  time.Time // the clock's time if zero
	verified *time.Time
	// page, if set, is called before each page with its number, outside of the lock.
	page func(ctx context.Context, n int) error
}

func (s *fakeStore) CreateFeed(_ context.Context, n mirror.NewFeed) (mirror.Feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.employersExist(n.Employers); err != nil {
		return mirror.Feed{}, err
	}
	f := mirror.Feed{ID: n.ID, Name: n.Name, Employers: n.Employers, CreatedAt: s.now()}
	s.feeds = append(s.feeds, &fakeFeed{f, n.TokenHash})
	return f, s.down
}

func (s *fakeStore) Feeds(_ context.Context, after string, limit int) ([]mirror.Feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.Feed
	for _, f := range s.feeds {
		if f.ID > after {
			out = append(out, f.Feed)
		}
	}
	return out[:min(limit, len(out))], s.down
}

// feed finds a feed; the lock is held.
func (s *fakeStore) feed(is func(f *fakeFeed) bool) (*fakeFeed, error) {
	if s.down != nil {
		return nil, s.down
	}
	i := slices.IndexFunc(s.feeds, is)
	if i < 0 {
		return nil, mirror.ErrNotFound
	}
	return s.feeds[i], nil
}

func (s *fakeStore) RotateFeed(_ context.Context, id string, hash []byte) (mirror.Feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.feed(func(f *fakeFeed) bool { return f.ID == id })
	if err != nil {
		return mirror.Feed{}, err
	}
	now := s.now()
	f.hash, f.RotatedAt = hash, &now
	return f.Feed, nil
}

func (s *fakeStore) RemoveFeed(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.feed(func(f *fakeFeed) bool { return f.ID == id })
	s.feeds = slices.DeleteFunc(s.feeds, func(other *fakeFeed) bool { return other == f })
	return err
}

func (s *fakeStore) FeedOf(_ context.Context, hash []byte) (mirror.Feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.feed(func(f *fakeFeed) bool { return bytes.Equal(f.hash, hash) })
	if err != nil {
		return mirror.Feed{}, err
	}
	return f.Feed, nil
}

func (s *fakeStore) FeedRead(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	f, err := s.feed(func(f *fakeFeed) bool { return f.ID == id })
	if err == nil {
		now := s.now()
		f.LastReadAt = &now
	}
	return cmp.Or(err, s.readErr)
}

// shown are the open jobs of the employers, in order; the lock is held.
func (s *fakeStore) shown(employers []string) []mirror.FeedJob {
	var out []mirror.FeedJob
	for _, j := range s.jobs {
		k, err := keyOf(j)
		if err != nil || j.State != "open" || employers != nil && !slices.Contains(employers, k.Connection) {
			continue
		}
		out = append(out, mirror.FeedJob{
			FeedCursor: mirror.FeedCursor{Connection: k.Connection, Posting: k.ID}, Job: j.Job, Version: j.Version,
			ChangedAt: j.ChangedAt,
		})
	}
	slices.SortFunc(out, func(a, b mirror.FeedJob) int { return compareFeedCursors(a.FeedCursor, b.FeedCursor) })
	return out
}

func compareFeedCursors(a, b mirror.FeedCursor) int {
	return cmp.Or(strings.Compare(a.Connection, b.Connection), strings.Compare(a.Posting, b.Posting))
}

func (s *fakeStore) FeedState(_ context.Context, employers []string) (mirror.FeedState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states++
	out := mirror.FeedState{Horizon: s.horizon, VerifiedAt: s.verified}
	if out.Horizon.IsZero() {
		out.Horizon = s.now()
	}
	for _, j := range s.shown(employers) {
		out.Digest += fmt.Sprintf("%v %d,", j.FeedCursor, j.Version)
	}
	for _, j := range s.jobs {
		if k, err := keyOf(j); err == nil && (employers == nil || slices.Contains(employers, k.Connection)) &&
			j.UpdatedAt.After(out.ChangedAt) {
			out.ChangedAt = j.UpdatedAt
		}
	}
	return out, s.down
}

func (s *fakeStore) FeedPage(ctx context.Context, q mirror.FeedQuery) ([]mirror.FeedJob, error) {
	s.mu.Lock()
	n, before := s.pages, s.page
	s.pages++
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx, n); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.DeleteFunc(s.shown(q.Employers), func(j mirror.FeedJob) bool {
		return compareFeedCursors(j.FeedCursor, q.After) <= 0
	})
	return out[:min(q.Limit, len(out))], s.down
}
