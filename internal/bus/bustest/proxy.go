package bustest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between a client and a server and can lose what passes in either direction.
type Proxy struct {
	target string
	ln     net.Listener
	wg     sync.WaitGroup

	loseRequests, loseReplies atomic.Bool
	lost, accepted            atomic.Int64

	mu sync.Mutex
	// conns are those of both sides, with what says that they are frozen.
	conns map[net.Conn]*atomic.Bool
}

// StartProxy forwards to target until the end of the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, ln: ln, conns: map[net.Conn]*atomic.Bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		p.Cut()
		p.wg.Wait()
	})
	return p
}

// URL is the proxy's address.
func (p *Proxy) URL() string { return "nats://" + p.ln.Addr().String() }

// LoseRequests swallows what clients send, until the next Cut.
func (p *Proxy) LoseRequests() { p.loseRequests.Store(true) }

// LoseReplies swallows what the server sends, until the next Cut.
func (p *Proxy) LoseReplies() { p.loseReplies.Store(true) }

// Lost counts the bytes that were swallowed so far.
func (p *Proxy) Lost() int64 { return p.lost.Load() }

// Accepted counts the connections that clients made so far.
func (p *Proxy) Accepted() int64 { return p.accepted.Load() }

// Cut breaks all connections; new ones pass unhindered.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.loseRequests.Store(false)
	p.loseReplies.Store(false)
}

// Freeze lets nothing more pass over the present connections, without breaking them; new ones pass unhindered.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, frozen := range p.conns {
		frozen.Store(true)
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		server, err := net.Dial("tcp", p.target) //nolint:noctx // on the loopback interface it does not block
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		frozen := new(atomic.Bool)
		p.conns[client], p.conns[server] = frozen, frozen
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(server, client, &p.loseRequests, frozen) })
		p.wg.Go(func() { p.pass(client, server, &p.loseReplies, frozen) })
	}
}

// pass copies from src to dst until either breaks, and then breaks both.
func (p *Proxy) pass(dst, src net.Conn, lose, frozen *atomic.Bool) {
	defer p.forget(dst, src)
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if err != nil {
			return
		}
		if lose.Load() || frozen.Load() {
			p.lost.Add(int64(n))
			continue
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}
