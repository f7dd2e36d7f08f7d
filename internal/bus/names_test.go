package bus_test

import (
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestHintSubjectRoundTrip(t *testing.T) {
	t.Parallel()
	for _, h := range []mirror.Hint{
		{Connection: "con_1", Kind: mirror.HintPoll},
		{Connection: "con_1", Kind: mirror.HintAll},
		{Connection: "01992d0e-7c1c-7000-8000-000000000000", Kind: "posting", ID: "5f0e-A_b"},
	} {
		got, err := bus.ParseHintSubject(bus.HintSubject(h))
		if err != nil || got != h {
			t.Errorf("ParseHintSubject(%q) = %+v, %v; want %+v", bus.HintSubject(h), got, err, h)
		}
	}
}

func TestParseHintSubjectRefuses(t *testing.T) {
	t.Parallel()
	good := bus.HintSubject(mirror.Hint{Connection: "c", Kind: "job", ID: "1"})
	for _, s := range []string{
		"", "hints", "hints.", "hints.1", "hints.1.c", "jobs.v1.c.1", good + ".more", good + ".",
		strings.Replace(good, "hints.", "hints.64", 1), "hints.x.c.job.1", "hints.01.c.poll", "hints.1.c.poll.id",
		"hints.1..job.1", strings.TrimSuffix(good, ".1"), strings.TrimSuffix(good, "1") + "*",
	} {
		if h, err := bus.ParseHintSubject(s); err == nil {
			t.Errorf("ParseHintSubject(%q) = %+v, want an error", s, h)
		}
	}
}

func FuzzParseHintSubject(f *testing.F) {
	f.Add("hints.3.c.poll")
	f.Add("hints.3.c.posting.1")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := bus.ParseHintSubject(s)
		if err == nil && bus.HintSubject(h) != s {
			t.Fatalf("%q was read as %+v, which is written %q", s, h, bus.HintSubject(h))
		}
	})
}

func TestParseSubject(t *testing.T) {
	t.Parallel()
	connection, posting, ok := bus.ParseSubject(events.JobSubject("c", "p"))
	if !ok || connection != "c" || posting != "p" {
		t.Errorf("read as %q, %q, %v", connection, posting, ok)
	}
	connection, posting, ok = bus.ParseSubject(events.ConnectionSubject("c"))
	if !ok || connection != "c" || posting != "" {
		t.Errorf("read as %q, %q, %v", connection, posting, ok)
	}
	for _, s := range []string{"", "jobs.v1.c", "jobs.v1.c.p.q", "jobs.v2.c.p", "connections.v1.c.p", "hints.1.c.poll"} {
		if _, _, ok := bus.ParseSubject(s); ok {
			t.Errorf("%q was taken for one of ours", s)
		}
	}
}
