package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// seenEvery is how often a delivery of the same action is noted, pingEvery a ping.
	seenEvery = time.Minute
	pingEvery = time.Second
	seenTime  = time.Second
	// seenMax bounds the memory of what was noted; beyond it everything is forgotten and noted once more.
	seenMax   = 100_000
	seenQueue = 1024
)

// sighting is an action's setting that showed itself.
type sighting struct {
	connection, action string
	ping               bool
}

// sightings notes which webhook settings work. It is a courtesy to the employer's page: it never delays or fails a
// delivery, and what it loses, the next delivery brings.
type sightings struct {
	seen  func(ctx context.Context, connection, action string, ping bool) error
	now   func() time.Time
	log   *slog.Logger
	queue chan sighting

	mu   sync.Mutex
	last map[sighting]time.Time
}

func newSightings(
	seen func(context.Context, string, string, bool) error, now func() time.Time, log *slog.Logger,
) *sightings {
	return &sightings{
		seen: seen, now: now, log: log, queue: make(chan sighting, seenQueue),
		last: make(map[sighting]time.Time),
	}
}

// due says whether the sighting is to be noted, and counts it as noted.
func (s *sightings) due(what sighting) bool {
	every := seenEvery
	if what.ping {
		every = pingEvery
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[what]; ok && now.Sub(last) < every {
		return false
	}
	if len(s.last) >= seenMax {
		clear(s.last)
	}
	s.last[what] = now
	return true
}

// forget makes the next sighting due.
func (s *sightings) forget(what sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, what)
}

// delivery notes a delivery beside the request.
func (s *sightings) delivery(d mirror.Delivery) {
	what := sighting{connection: d.Connection, action: d.Action}
	if s.due(what) {
		s.later(what)
	}
}

// ping notes a ping before it is answered, so that the employer's page shows the tick when Ashby says that the setting
// was saved; if that fails, it is tried once more beside the request.
func (s *sightings) ping(ctx context.Context, connection, action string) {
	what := sighting{connection: connection, action: action, ping: true}
	if !s.due(what) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, seenTime)
	defer cancel()
	if s.seen(ctx, connection, action, true) != nil {
		s.later(what)
	}
}

func (s *sightings) later(what sighting) {
	select {
	case s.queue <- what:
	default:
		s.forget(what)
	}
}

// run notes what is queued until ctx ends.
func (s *sightings) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case what := <-s.queue:
			s.note(ctx, what)
		}
	}
}

func (s *sightings) note(ctx context.Context, what sighting) {
	ctx, cancel := context.WithTimeout(ctx, seenTime)
	defer cancel()
	if err := s.seen(ctx, what.connection, what.action, what.ping); err != nil {
		s.forget(what)
		s.log.DebugContext(ctx, "webhook sighting was not noted", "connection", what.connection,
			"action", what.action, "error", err)
	}
}
