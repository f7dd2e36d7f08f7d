package syncer

import (
	"sync"
	"time"
)

// budget bounds what a slice reads. The nil budget is without bounds. It is safe for concurrent use.
type budget struct {
	mu       sync.Mutex
	requests int
	until    time.Time
}

// take says whether there is room for one more request, and counts it.
func (b *budget) take() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.requests <= 0 || !time.Now().Before(b.until) {
		return false
	}
	b.requests--
	return true
}
