package gateway

import (
	"sync"
	"time"
)

// tellEvery is the shortest time between two lines about the same kind of refusal.
const tellEvery = time.Second

// sparing keeps lines about what strangers do apart, by kind: whoever sends much that is refused must not fill the disk.
type sparing struct {
	now func() time.Time

	mu   sync.Mutex
	told map[string]telling
}

// telling is when a line was last written, and how many were not since.
type telling struct {
	at     time.Time
	untold int
}

func newSparing(now func() time.Time) *sparing {
	return &sparing{now: now, told: make(map[string]telling)}
}

// tell says whether a line of this kind is to be written, and how many were not since the one before it. The kinds are few:
// they are kept for good.
func (s *sparing) tell(kind string) (untold int, is bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.told[kind]
	if known && now.Sub(last.at) < tellEvery {
		last.untold++
		s.told[kind] = last
		return 0, false
	}
	s.told[kind] = telling{at: now}
	return last.untold, true
}
