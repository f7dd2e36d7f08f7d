package bus_test

import (
	"fmt"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
)

// Whatever is removed, the stream goes on at the sequence where it was, also over a restart of the server.
func TestDropBeforeKeepsTheEnd(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	holds := func(messages, last uint64) {
		t.Helper()
		info, err := b.JobsInfo(t.Context())
		if err != nil || info.Messages != messages || info.LastSeq != last {
			t.Fatalf("JobsInfo = %+v, %v; want %d messages and last sequence %d", info, err, messages, last)
		}
	}
	drop := func(subject string, seq uint64) {
		t.Helper()
		if err := b.DropBefore(t.Context(), subject, seq); err != nil {
			t.Fatal(err)
		}
	}
	seq := uint64(0)
	for v := int64(1); v <= 3; v++ {
		for _, posting := range []string{"a", "b"} {
			seq = publish(t, b, seq, msg("jobs.v1.c."+posting, fmt.Sprintf("%s-%d", posting, v), v))
		}
	}
	drop("jobs.v1.c.b", 6) // leaves the last
	holds(4, 6)
	drop("jobs.v1.c.b", seq+1)
	holds(3, 6)
	drop("jobs.v1.c.b", seq+1) // again, to no effect
	drop("jobs.v1.c.none", seq+1)
	holds(3, 6)
	drop("jobs.v1.c.a", 0)
	holds(0, 6)
	srv.Stop()
	srv.Start()
	bustest.Eventually(t, "connected again", func() bool { return b.Generation() > 1 && b.Ready() })
	holds(0, 6)
	if last := publish(t, b, 6, msg("jobs.v1.c.b", "b-4", 4)); last != 7 {
		t.Errorf("published at %d", last)
	}
	c, err := b.Contents(t.Context())
	want := bus.Place{Version: 4, ID: "b-4", Seq: 7, Kept: 1, Whole: 1}
	if got := c.Places["jobs.v1.c.b"]; err != nil || got != want {
		t.Errorf("a subject that begins at version 4: %+v, %v", got, err)
	}
	if err := b.Empty(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(0, 7)
}
