package bustest

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// LaunchSmall is a Launch of a server that takes no message above maxPayload bytes.
func LaunchSmall(t testing.TB, maxPayload int32) func(dir, addr string) func() {
	t.Helper()
	return func(dir, addr string) func() {
		return launch(t, &server.Options{
			NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, SyncAlways: true, MaxPayload: maxPayload,
			JetStreamMaxMemory: 1 << 30, JetStreamMaxStore: 16 << 30,
		}, addr)
	}
}
