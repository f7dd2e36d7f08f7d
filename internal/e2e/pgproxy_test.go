package e2e

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// pgProxy stands between a system and Postgres and can cut them off from each other, or fall silent.
type pgProxy struct {
	t      testing.TB
	server string // Postgres's socket
	socket string // ours
	wg     sync.WaitGroup
	// silent swallows what passes, on new connections too, as a network does that is there no more.
	silent atomic.Bool

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
}

// newPGProxy gives the address of the database through the proxy.
func newPGProxy(t testing.TB, dbURL string) (*pgProxy, string) {
	t.Helper()
	u, err := url.Parse(dbURL)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "e2e-pg-")
	if err != nil {
		t.Fatal(err)
	}
	const name = ".s.PGSQL.5432"
	p := &pgProxy{
		t: t, server: filepath.Join(u.Query().Get("host"), name), socket: filepath.Join(dir, name),
		conns: map[net.Conn]bool{},
	}
	t.Cleanup(func() {
		p.cut()
		_ = os.RemoveAll(dir)
	})
	p.restore()
	q := u.Query()
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	return p, u.String()
}

// restore lets connections through.
func (p *pgProxy) restore() {
	p.t.Helper()
	ln, err := net.Listen("unix", p.socket)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.ln = ln
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.forward(c) })
		}
	})
}

// cut breaks all connections and refuses new ones until restore.
func (p *pgProxy) cut() {
	p.mu.Lock()
	if p.ln != nil {
		_ = p.ln.Close() // removes the socket, too
		p.ln = nil
	}
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *pgProxy) forward(client net.Conn) {
	server, err := net.Dial("unix", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	if !p.hold(client, server) {
		return
	}
	defer p.letGo(client, server)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(unlessSilent{client, p}, server)
		_ = client.Close()
	})
	_, _ = io.Copy(unlessSilent{server, p}, client)
	_ = server.Close()
	back.Wait()
}

// unlessSilent writes nothing while the proxy is silent.
type unlessSilent struct {
	to io.Writer
	p  *pgProxy
}

func (u unlessSilent) Write(b []byte) (int, error) {
	if u.p.silent.Load() {
		return len(b), nil
	}
	return u.to.Write(b)
}

// hold remembers the connections, unless they were cut meanwhile.
func (p *pgProxy) hold(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.ln == nil {
			_ = c.Close()
			continue
		}
		p.conns[c] = true
	}
	return p.ln != nil
}

func (p *pgProxy) letGo(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}
