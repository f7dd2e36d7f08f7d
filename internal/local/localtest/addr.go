package localtest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports of servers lie below those that systems give to connections that go out: one of these could take the port of a
// server that is stopped for a moment, or not started yet.
const firstPort, lastPort = 12_000, 32_000

// reserved are the ports that servers of this process have.
var reserved sync.Map

// FreeAddr is an address of this machine at which nobody listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.N(lastPort-firstPort)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if _, taken := reserved.LoadOrStore(port, true); taken {
			continue
		}
		if ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr); err == nil {
			_ = ln.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}
