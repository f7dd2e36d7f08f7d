package loop_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

func TestEveryRunsAtOnceAndThenEachInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		start := time.Now()
		var at []time.Duration
		err := loop.Every(ctx, loop.Options{Interval: 10 * time.Second}, func(context.Context) error {
			at = append(at, time.Since(start))
			return nil
		})
		if err != nil {
			t.Fatalf("Every = %v, want nil at the end of the context", err)
		}
		want := []time.Duration{0, 10 * time.Second, 20 * time.Second}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("rounds (-want +got):\n%s", diff)
		}
		if waited := time.Since(start); waited != 25*time.Second {
			t.Errorf("returned after %s, want 25s", waited)
		}
	})
}

func TestEverySpreadsItsRounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		last, rounds, uneven := time.Now(), 0, false
		opts := loop.Options{Interval: 10 * time.Second, Jitter: 0.2, Offset: 5 * time.Second}
		err := loop.Every(ctx, opts, func(context.Context) error {
			gap := time.Since(last)
			last = time.Now()
			rounds++
			switch {
			case rounds == 1 && gap >= 5*time.Second:
				t.Errorf("first round after %s, want less than 5s", gap)
			case rounds > 1 && (gap < 8*time.Second || gap > 12*time.Second):
				t.Errorf("round %d after %s, want 8s to 12s", rounds, gap)
			case rounds > 1 && gap != 10*time.Second:
				uneven = true
			}
			if rounds == 50 {
				cancel()
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !uneven {
			t.Error("fifty rounds came at exactly the interval")
		}
	})
}

func TestEveryReportsErrorsAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		broken := errors.New("broken")
		rounds := 0
		var seen []error
		opts := loop.Options{Interval: time.Second, OnError: func(_ context.Context, err error) { seen = append(seen, err) }}
		err := loop.Every(ctx, opts, func(ctx context.Context) error {
			rounds++
			if rounds == 4 {
				cancel()
				return ctx.Err()
			}
			if rounds%2 == 1 {
				return broken
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != 2 || !errors.Is(seen[0], broken) || !errors.Is(seen[1], broken) {
			t.Errorf("reported %v, want the two real errors and not the cancellation", seen)
		}
	})
}

func TestEveryDoesNotWorkForAnEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := loop.Every(ctx, loop.Options{Interval: time.Hour}, func(context.Context) error {
		t.Error("worked although the context had ended")
		return nil
	})
	if err != nil {
		t.Errorf("Every = %v, want nil", err)
	}
}

func TestEveryRefusesOptions(t *testing.T) {
	t.Parallel()
	work := func(context.Context) error { return nil }
	tests := []struct {
		name string
		opts loop.Options
		work func(context.Context) error
	}{
		{"no interval", loop.Options{}, work},
		{"negative interval", loop.Options{Interval: -time.Second}, work},
		{"jitter of one", loop.Options{Interval: time.Second, Jitter: 1}, work},
		{"negative offset", loop.Options{Interval: time.Second, Offset: -1}, work},
		{"no work", loop.Options{Interval: time.Second}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := loop.Every(t.Context(), tt.opts, tt.work); err == nil {
				t.Error("Every accepted it")
			}
		})
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := loop.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep = %v, want the context's error", err)
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("slept %s, want 1s", waited)
		}
		if err := loop.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep(0) of an ended context = %v, want its error", err)
		}
		if err := loop.Sleep(t.Context(), -time.Second); err != nil {
			t.Errorf("Sleep of a negative time = %v, want nil", err)
		}
	})
}

func TestBackoffGrowsToItsLimitAndBeginsAnew(t *testing.T) {
	t.Parallel()
	b := loop.Backoff{Min: time.Second, Max: 10 * time.Second, Factor: 3}
	want := []time.Duration{time.Second, 3 * time.Second, 9 * time.Second, 10 * time.Second, 10 * time.Second}
	for i, w := range want {
		if got := b.Next(); got != w {
			t.Errorf("pause %d = %s, want %s", i, got, w)
		}
	}
	b.Reset()
	if got := b.Next(); got != time.Second {
		t.Errorf("after Reset = %s, want 1s", got)
	}
}

func TestBackoffDefaultsAndExtremes(t *testing.T) {
	t.Parallel()
	var zero loop.Backoff
	if got := zero.Next(); got != loop.DefaultMin {
		t.Errorf("zero value begins with %s, want %s", got, loop.DefaultMin)
	}
	for range 100 {
		zero.Next()
	}
	if got := zero.Next(); got != loop.DefaultMax {
		t.Errorf("zero value ends with %s, want %s", got, loop.DefaultMax)
	}
	huge := loop.Backoff{Min: 1 << 62, Max: 1<<63 - 1, Factor: 1000}
	for range 5 {
		if got := huge.Next(); got <= 0 {
			t.Fatalf("pause overflowed to %s", got)
		}
	}
	jittered := loop.Backoff{Min: time.Second, Max: time.Second, Jitter: 0.5}
	for range 100 {
		if got := jittered.Next(); got < 500*time.Millisecond || got > 1500*time.Millisecond {
			t.Fatalf("jittered pause %s is not within half of 1s", got)
		}
	}
}
