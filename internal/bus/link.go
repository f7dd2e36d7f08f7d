package bus

import (
	"context"
	"sync"
)

// link follows the connection's ups and downs. The client library leaves a request that was on its way when the
// connection broke waiting for its deadline; a context from join ends with the connection instead.
type link struct {
	mu sync.Mutex
	// generation counts the connections made; ensured is the one whose streams are known to be right.
	generation, ensured uint64
	changed             chan struct{}
	nextID              int
	cancels             map[int]context.CancelCauseFunc
}

func newLink() *link {
	return &link{changed: make(chan struct{}), cancels: map[int]context.CancelCauseFunc{}}
}

func (l *link) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.generation++
	l.announce()
}

func (l *link) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cancel := range l.cancels {
		cancel(errDisconnected)
	}
	clear(l.cancels)
	l.announce()
}

func (l *link) streamsReady(generation uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ensured = max(l.ensured, generation)
	l.announce()
}

// announce wakes everybody who watches; the caller holds the lock.
func (l *link) announce() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// state returns the generation, the generation whose streams are right, and a channel that closes at the next change.
func (l *link) state() (generation, ensured uint64, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.generation, l.ensured, l.changed
}

// join returns a context that also ends when the connection is lost; leave must be called.
func (l *link) join(ctx context.Context) (joined context.Context, leave func()) {
	joined, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.nextID
	l.nextID++
	l.cancels[id] = cancel
	return joined, func() {
		l.mu.Lock()
		delete(l.cancels, id)
		l.mu.Unlock()
		cancel(nil)
	}
}
