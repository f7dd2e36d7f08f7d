package bustest

import (
	"net"
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// LaunchSmall is a Launch of a server that takes no message above maxPayload bytes.
func LaunchSmall(t testing.TB, maxPayload int32) func(dir, addr string) func() {
	t.Helper()
	return func(dir, addr string) func() {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		o := &server.Options{
			Host: host, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, SyncAlways: true, MaxPayload: maxPayload,
			JetStreamMaxMemory: 1 << 30, JetStreamMaxStore: 16 << 30,
		}
		if o.Port, err = strconv.Atoi(port); err != nil {
			t.Fatal(err)
		}
		srv, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		if !srv.ReadyForConnections(patience) {
			t.Fatal("NATS server did not start")
		}
		return func() {
			srv.Shutdown()
			srv.WaitForShutdown()
		}
	}
}
