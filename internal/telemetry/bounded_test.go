package telemetry_test

import (
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

func bounded(limit int) (*telemetry.Bounded, *prometheus.CounterVec) {
	b := telemetry.NewBounded("connection", limit)
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x_total", Help: "X."}, []string{"connection", "outcome"})
	b.Follow(func(v string) { vec.WithLabelValues(v, "ok") }, vec)
	return b, vec
}

func TestBoundedShowsNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	b, vec := bounded(5)
	for i := range 300 {
		vec.WithLabelValues(b.Value(strconv.Itoa(i)), "ok").Inc()
	}
	if n := testutil.CollectAndCount(vec); n != 6 {
		t.Errorf("%d series of 300 values with a limit of 5", n)
	}
	if got := testutil.ToFloat64(vec.WithLabelValues(telemetry.Other, "ok")); got != 295 {
		t.Errorf("the others count %g", got)
	}
	if got := testutil.ToFloat64(vec.WithLabelValues(b.Value("3"), "ok")); got != 1 {
		t.Errorf("3 counts %g", got)
	}
}

func TestBoundedKeepsWhatItIsTold(t *testing.T) {
	t.Parallel()
	b, vec := bounded(2)
	for _, v := range []string{"late", "later", "first"} {
		vec.WithLabelValues(b.Value(v), "failed").Inc()
	}
	b.Keep([]string{"first", "late", "more"})
	if got := b.Value("first"); got != "first" {
		t.Errorf("first is shown as %q", got)
	}
	for _, v := range []string{"later", "more", ""} {
		if got := b.Value(v); got != telemetry.Other {
			t.Errorf("%q is shown as %q", v, got)
		}
	}
	// first ok; late failed, ok; other failed, ok. What is not shown any more has no series left.
	if n := testutil.CollectAndCount(vec); n != 5 {
		t.Errorf("%d series are left", n)
	}
	b.Keep(nil)
	if n := testutil.CollectAndCount(vec); n != 2 {
		t.Errorf("%d series are left of nothing", n)
	}
	if got := b.Value("removed"); got != "removed" {
		t.Errorf("with room there is %q", got)
	}
}

func TestBoundedToNothing(t *testing.T) {
	t.Parallel()
	b, vec := bounded(0)
	b.Keep([]string{"a"})
	if got := b.Value("a"); got != telemetry.Other || testutil.CollectAndCount(vec) != 1 {
		t.Errorf("a is shown as %q", got)
	}
}

// TestBoundedForgetsWhatIsCountedLate: a value is asked for, removed, and only then counted.
func TestBoundedForgetsWhatIsCountedLate(t *testing.T) {
	t.Parallel()
	b, vec := bounded(2)
	late := b.Value("a")
	b.Keep(nil)
	vec.WithLabelValues(late, "ok").Inc()
	b.Keep(nil)
	if n := testutil.CollectAndCount(vec); n != 1 {
		t.Errorf("%d series, want that of the others alone", n)
	}
	// What has come back since stays.
	b.Value("b")
	b.Keep(nil)
	vec.WithLabelValues(b.Value("b"), "ok").Inc()
	b.Keep([]string{"b"})
	if got := testutil.ToFloat64(vec.WithLabelValues("b", "ok")); got != 1 {
		t.Errorf("b counts %g", got)
	}
}
