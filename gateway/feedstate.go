package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/bebitcoiner/ashbridge/internal/feed"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// feedStateFresh is how long a feed's state is used again. A document is never older than the state that names it, as
	// its jobs are read afterwards, so this delays a change by that long and hides none.
	feedStateFresh = 2 * time.Second
	// feedStatesMax bounds the memory of states; beyond it everything is forgotten.
	feedStatesMax = 1000
	// maxFeedReaders and maxReadersOfFeed bound the documents that are sent at the same time, by this process and of one
	// feed: each holds a page of jobs, and webhooks share the database with them.
	maxFeedReaders   = 16
	maxReadersOfFeed = 4
)

// feedStates reads the states of feeds, once for all who ask at about the same time.
type feedStates struct {
	read    func(ctx context.Context, employers []string) (mirror.FeedState, error)
	now     func() time.Time
	flights singleflight.Group

	mu    sync.Mutex
	known map[string]knownState
}

type knownState struct {
	mirror.FeedState
	askedAt time.Time
}

func newFeedStates(read func(context.Context, []string) (mirror.FeedState, error), now func() time.Time) *feedStates {
	return &feedStates{read: read, now: now, known: make(map[string]knownState)}
}

func (s *feedStates) of(ctx context.Context, f mirror.Feed) (mirror.FeedState, error) {
	s.mu.Lock()
	known, ok := s.known[f.ID]
	s.mu.Unlock()
	if ok && s.now().Sub(known.askedAt) < feedStateFresh {
		return known.FeedState, nil
	}
	state, err, _ := s.flights.Do(f.ID, func() (any, error) {
		asked := s.now()
		state, err := s.read(ctx, f.Employers)
		if err == nil {
			s.remember(f.ID, knownState{state, asked})
		}
		return state, err
	})
	if err != nil {
		return mirror.FeedState{}, fmt.Errorf("reading the state of a feed: %w", err)
	}
	return state.(mirror.FeedState), nil //nolint:forcetypeassert // it is what the function above returns
}

func (s *feedStates) remember(id string, k knownState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= feedStatesMax {
		clear(s.known)
	}
	s.known[id] = k
}

// feedEdition names what a feed shows in a format. The tag covers all that the bytes are made of: the jobs and their
// versions, the feed's name, the gateway's address, how documents are written, and, in formats that tell it, when the
// jobs last changed. It is a weak one, since a document may show a change that was made while it was sent, and the same
// for every Content-Encoding.
//
// A change within the second of the latest one, or one that is committed late, must not hide behind an equal time. So the
// time of the latest change is rounded up, and told as Last-Modified only once every later change is sure to round to a
// later second; until then an earlier second is told, which makes a client fetch once more than needed.
//
// A time tells nothing of an upgrade or another address, which change the bytes of jobs that stay the same. So a copy from
// before this process began counts for nothing where the client asks by time alone: it is sent once more.
func (g *Gateway) feedEdition(f mirror.Feed, format feed.Format, s mirror.FeedState) edition {
	v := edition{changed: roundUp(s.ChangedAt)}
	if created := roundUp(f.CreatedAt); v.changed.Before(created) {
		v.changed = created
	}
	v.since = v.changed
	if v.since.Before(g.began) {
		v.since = g.began
	}
	v.modified = v.since
	// Nothing may be told that is later than the answer's Date, which is the server's clock as it was up to a second ago.
	for _, latest := range []time.Time{s.Horizon, g.opts.Now().Add(-time.Second)} {
		if latest = latest.Truncate(time.Second); latest.Before(v.modified) {
			v.modified = latest
		}
	}
	if v.modified.Unix() <= 0 { // the store could not tell
		v.modified = time.Time{}
	}
	parts := []string{fmt.Sprint(feed.Revision), string(format), g.opts.PublicURL, f.ID, f.Name, s.Digest}
	if format.Dated() {
		parts = append(parts, v.changed.UTC().Format(time.RFC3339))
	}
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	v.tag = hex.EncodeToString(h[:16])
	return v
}

func roundUp(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}

// feedReaders counts who is being sent a document.
type feedReaders struct {
	mu  sync.Mutex
	all int
	of  map[string]int
}

func newFeedReaders() *feedReaders { return &feedReaders{of: make(map[string]int)} }

// enter says whether there is room for one more reader of the feed. If so, leave must be called once it is done.
func (r *feedReaders) enter(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= maxFeedReaders || r.of[id] >= maxReadersOfFeed {
		return false
	}
	r.all++
	r.of[id]++
	return true
}

func (r *feedReaders) leave(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.of[id]--; r.of[id] == 0 {
		delete(r.of, id)
	}
}
