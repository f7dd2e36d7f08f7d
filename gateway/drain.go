package gateway

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const firstByteGrace = 250 * time.Millisecond

// connections knows the server's open connections, because fasthttp's own shutdown waits five seconds for one that
// was opened and has not sent a byte, and for ever for one whose handler hangs.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]fasthttp.ConnState
}

func trackConnections(s *fasthttp.Server) *connections {
	cs := &connections{open: make(map[net.Conn]fasthttp.ConnState)}
	s.ConnState = cs.changed
	return cs
}

func (cs *connections) changed(c net.Conn, state fasthttp.ConnState) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	switch state {
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		delete(cs.open, c)
	default:
		cs.open[c] = state
	}
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
