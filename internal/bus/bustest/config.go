package bustest

import (
	"net"
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// LaunchConfig is a Launch of a server with users and permissions: config is a part of a NATS configuration file that
// says nothing of addresses and stores.
func LaunchConfig(t testing.TB, config string) func(dir, addr string) func() {
	t.Helper()
	return func(dir, addr string) func() {
		o := &server.Options{}
		if err := o.ProcessConfigString(config); err != nil {
			t.Fatal(err)
		}
		o.NoSigs, o.NoLog, o.JetStream, o.StoreDir, o.SyncAlways = true, true, true, dir, true
		o.MaxPayload, o.JetStreamMaxMemory, o.JetStreamMaxStore = 8<<20, 1<<30, 16<<30
		return launch(t, o, addr)
	}
}

func launch(t testing.TB, o *server.Options, addr string) func() {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	o.Host = host
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
