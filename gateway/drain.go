package gateway

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const firstByteGrace = 250 * time.Millisecond

// connections knows the server's open connections, because fasthttp's own shutdown waits five seconds for one that
// was opened and has not sent a byte, and for ever for one whose handler hangs; and because a hint must leave after the
// answer that it follows.
type connections struct {
	answered func(mirror.Hint)

	mu   sync.Mutex
	open map[net.Conn]fasthttp.ConnState
	held map[net.Conn][]mirror.Hint
}

// newConnections returns an empty set; answered is given each hint once its answer has left.
func newConnections(answered func(mirror.Hint)) *connections {
	return &connections{
		answered: answered, open: make(map[net.Conn]fasthttp.ConnState), held: make(map[net.Conn][]mirror.Hint),
	}
}

func (cs *connections) track(s *fasthttp.Server) { s.ConnState = cs.changed }

// changed hears of each change of a connection. fasthttp calls a connection idle once the answer was written.
func (cs *connections) changed(c net.Conn, state fasthttp.ConnState) {
	for _, hint := range cs.note(c, state) {
		cs.answered(hint)
	}
}

// note notes the state and returns the hints whose answer has left, or never will.
func (cs *connections) note(c net.Conn, state fasthttp.ConnState) []mirror.Hint {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	switch state {
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		delete(cs.open, c)
	default:
		cs.open[c] = state
	}
	if state == fasthttp.StateNew || state == fasthttp.StateActive {
		return nil
	}
	hints := cs.held[c]
	delete(cs.held, c)
	return hints
}

// hold keeps a hint until the answer on the connection has left.
func (cs *connections) hold(c net.Conn, hint mirror.Hint) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.held[c] = append(cs.held[c], hint)
}

// hurryNew gives connections that have not sent a byte yet a moment to do so; fasthttp itself closes idle ones.
func (cs *connections) hurryNew() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c, state := range cs.open {
		if state == fasthttp.StateNew {
			_ = c.SetReadDeadline(time.Now().Add(firstByteGrace))
		}
	}
}

func (cs *connections) closeAll() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		_ = c.Close()
	}
}

// wait says whether all connections are gone before ctx ends.
func (cs *connections) wait(ctx context.Context) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		cs.mu.Lock()
		n := len(cs.open)
		cs.mu.Unlock()
		if n == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}
