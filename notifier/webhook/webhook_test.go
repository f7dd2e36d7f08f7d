package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier/webhook"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// rarely lets days pass quickly.
func rarely(o *webhook.Options) { o.Idle, o.LeaseTTL = time.Minute, time.Hour }

// after waits within a bubble.
func after(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
	synctest.Wait()
}

func TestEachEventIsSentOnceAndInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		s.receive("one")
		s.receive("two")
		for i := range 50 {
			s.publish("one", fmt.Sprint("p", i%7))
			s.publish("two", fmt.Sprint("p", i%3))
		}
		r := start(t, s, b)
		defer r.stop()
		after(t, 10*time.Second)
		s.publish("one", "late")
		r.wake()
		synctest.Wait()
		if got := b.messages("one"); len(got) != 51 || got[50].posting != "late" || got[50].at != time.Now() {
			t.Errorf("%d messages came, the last %+v", len(got), got[len(got)-1])
		}
		if got := b.messages("two"); len(got) != 50 {
			t.Errorf("%d messages came", len(got))
		}
		if faults := b.disorder(s); len(faults) > 0 {
			t.Error(faults)
		}
		if v := s.receiver("one"); v.Health.LastSuccessAt == nil || v.Health.FailingSince != nil {
			t.Errorf("health %+v", v.Health)
		}
		if r.metric(t, "deliveries_total") != 101 || r.metric(t, "attempts_total") != 101 || r.metric(t, "lease_held") != 1 {
			t.Error("the metrics are wrong")
		}
	})
}

func TestTriesAreSpreadOverADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		b.answer = func(_ context.Context, m sent) courier.Result {
			if m.posting == "p" && m.version == 1 {
				return status(500)
			}
			return status(200)
		}
		s.receive("one")
		s.publish("one", "p")
		s.publish("one", "p")
		s.publish("one", "q")
		begin := time.Now()
		r := start(t, s, b, rarely)
		defer r.stop()
		after(t, 12*time.Hour)
		if got := s.states("one"); got[0] != "p v1 pending" || got[1] != "p v2 pending" || got[2] != "q v1 delivered" {
			t.Errorf("after half a day: %v", got)
		}
		after(t, 14*time.Hour)
		var tries []time.Duration
		for _, m := range b.messages("one") {
			if m.posting == "p" && m.version == 1 {
				tries = append(tries, m.at.Sub(begin))
				if m.id != "one-p-1" {
					t.Errorf("a try has the id %s", m.id)
				}
			}
		}
		if len(tries) < 8 || tries[1] > 2*time.Minute || tries[len(tries)-1] < 19*time.Hour || tries[len(tries)-1] > 25*time.Hour {
			t.Errorf("tries after %v", tries)
		}
		if diff := gocmp.Diff([]string{"p v1 failed", "p v2 delivered", "q v1 delivered"}, s.states("one")); diff != "" {
			t.Error(diff)
		}
		if faults := b.disorder(s); len(faults) > 0 {
			t.Error(faults)
		}
		if len(s.parcels[0].log) != len(tries) {
			t.Errorf("%d attempts are logged of %d", len(s.parcels[0].log), len(tries))
		}
	})
}

func TestEndpointThatTakesNothingIsPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		var log bytes.Buffer
		b.answer = func(_ context.Context, m sent) courier.Result {
			if m.receiver == "dead" {
				return status(500)
			}
			return status(200)
		}
		s.receive("dead")
		s.receive("well")
		r := start(t, s, b, rarely, func(o *webhook.Options) { o.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
		defer r.stop()
		for day := range 6 {
			for range 8 {
				s.publish("dead", fmt.Sprint("p", day))
				s.publish("well", fmt.Sprint("p", day))
				after(t, 3*time.Hour)
			}
			if got := s.receiver("dead").Status; (got == mirror.ReceiverPaused) != (day == 5) {
				t.Errorf("on day %d it is %s", day, got)
			}
		}
		v := s.receiver("dead")
		if v.StatusCode != mirror.PausedFailing || !strings.Contains(v.StatusReason, "Broken.") {
			t.Errorf("paused as %s: %s", v.StatusCode, v.StatusReason)
		}
		n := len(b.messages("dead"))
		last := b.messages("dead")[n-1]
		if last.typ != events.EndpointPaused || strings.Contains(last.id, ".") {
			t.Errorf("the last message is %+v", last)
		}
		after(t, 48*time.Hour)
		if got := len(b.messages("dead")); got != n {
			t.Errorf("%d messages came after the pause", got-n)
		}
		if got := len(b.messages("well")); got != 48 || s.receiver("well").Status != mirror.ReceiverActive {
			t.Errorf("the other one got %d messages", got)
		}
		if r.metric(t, "endpoints_stopped_total") != 1 || strings.Count(log.String(), "gets no more webhooks") != 1 {
			t.Error("metric or log says nothing")
		}
	})
}

func TestOneSuccessEndsFiveDaysOfFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		begin := time.Now()
		b.answer = func(_ context.Context, m sent) courier.Result {
			if d := m.at.Sub(begin); d > 96*time.Hour && d < 97*time.Hour {
				return status(200)
			}
			return status(500)
		}
		s.receive("one")
		r := start(t, s, b, rarely)
		defer r.stop()
		for i := range 8 * 24 {
			s.publish("one", fmt.Sprint("p", i))
			after(t, time.Hour)
		}
		if v := s.receiver("one"); v.Status != mirror.ReceiverActive || v.Health.FailingSince.Sub(begin) < 96*time.Hour {
			t.Errorf("%s since %v", v.Status, v.Health.FailingSince)
		}
	})
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		b.answer = func(context.Context, sent) courier.Result { return status(410) }
		s.receive("one")
		for i := range 100 {
			s.publish("one", fmt.Sprint("p", i))
		}
		r := start(t, s, b)
		defer r.stop()
		after(t, time.Hour)
		v := s.receiver("one")
		if v.Status != mirror.ReceiverDisabled || v.StatusCode != mirror.DisabledGone {
			t.Errorf("it is %s", v.Status)
		}
		// Those on their way at that moment cannot be called back; nothing follows, no farewell either.
		if n := len(b.messages("one")); n > 2 {
			t.Errorf("%d messages came", n)
		}
		for _, state := range s.states("one") {
			if !strings.HasSuffix(state, "pending") {
				t.Errorf("%s: what waits is kept", state)
			}
		}
	})
}

func TestCircuitSendsOneProbeAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		var isBack atomic.Bool
		b.answer = func(ctx context.Context, _ sent) courier.Result {
			if isBack.Load() {
				linger(ctx, 10*time.Millisecond)
				return status(200)
			}
			linger(ctx, time.Second)
			return status(500)
		}
		s.receive("one")
		for i := range 1000 {
			s.publish("one", fmt.Sprint("p", i))
		}
		r := start(t, s, b)
		defer r.stop()
		after(t, time.Minute)
		early := len(b.messages("one"))
		b.atMost("one")
		after(t, time.Hour)
		if n, most := len(b.messages("one"))-early, b.atMost("one"); n < 10 || n > 30 || most != 1 {
			t.Errorf("%d probes in an hour, %d at a time", n, most)
		}
		if v := s.receiver("one").Health; v.Failures < 10 || v.RetryAt == nil {
			t.Errorf("health %+v", v)
		}
		isBack.Store(true)
		after(t, 6*time.Minute)
		if v := s.receiver("one").Health; v.Failures != 0 || v.RetryAt != nil || v.FailingSince != nil {
			t.Errorf("health %+v", v)
		}
		// Those that were tried come again by their own schedule.
		if n := r.metric(t, "deliveries_total"); n < 900 || b.atMost("one") != 8 {
			t.Errorf("%v are delivered soon after", n)
		}
	})
}

func TestRetryAfterIsHonouredWithinBounds(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{
		10 * time.Minute: 10 * time.Minute, 48 * time.Hour: time.Hour, 0: 4 * time.Second,
	} {
		t.Run(asked.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, b := newStore(), newBoards()
				begin := time.Now()
				b.answer = func(context.Context, sent) courier.Result {
					if time.Since(begin) > time.Second {
						return status(200)
					}
					r := status(429)
					r.RetryAfter = asked
					return r
				}
				s.receive("one")
				for i := range 5 {
					s.publish("one", fmt.Sprint("p", i))
				}
				r := start(t, s, b)
				defer r.stop()
				after(t, 3*time.Hour)
				first := 0
				for _, m := range b.messages("one") {
					switch d := m.at.Sub(begin); {
					case d < time.Second:
						first++
					case d < want || d > want+want/5+2*time.Minute:
						t.Errorf("a message after %s", d)
					}
				}
				if first > 2 || r.metric(t, "deliveries_total") != 5 {
					t.Errorf("%d messages before the pause, %v delivered", first, r.metric(t, "deliveries_total"))
				}
			})
		})
	}
}

func TestSlowEndpointsDelayNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		b.answer = func(ctx context.Context, m sent) courier.Result {
			if m.receiver == "fast" {
				return status(200)
			}
			linger(ctx, 14*time.Second)
			return status(200)
		}
		for i := range 30 {
			s.receive(fmt.Sprint("slow", i))
			for j := range 100 {
				s.publish(fmt.Sprint("slow", i), fmt.Sprint("p", j))
			}
		}
		r := start(t, s, b, func(o *webhook.Options) { o.Shared = 4 })
		defer r.stop()
		after(t, time.Minute) // all that can be slow is
		s.receive("fast")
		for j := range 50 {
			s.publish("fast", fmt.Sprint("p", j))
		}
		begin := time.Now()
		after(t, time.Second)
		if got := b.messages("fast"); len(got) != 50 || got[49].at.Sub(begin) > 500*time.Millisecond {
			t.Errorf("%d messages came", len(got))
		}
	})
}

func TestWhatIsNotNotedIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		s.receive("one")
		s.publish("one", "p")
		s.publish("one", "p")
		s.beforeNote = func() error { return errors.New("the store is away") }
		r := start(t, s, b)
		after(t, time.Minute)
		if n := len(b.messages("one")); n != 1 {
			t.Errorf("%d messages came while nothing could be noted", n)
		}
		r.stop() // as a crash: its last words are not heard either
		s.change(func() { s.beforeNote = nil })
		r = start(t, s, b, func(o *webhook.Options) { o.Owner = "b" })
		defer r.stop()
		after(t, time.Minute)
		var ids []string
		for _, m := range b.messages("one") {
			ids = append(ids, m.id)
		}
		if diff := gocmp.Diff([]string{"one-p-1", "one-p-1", "one-p-2"}, ids); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatCouldNotBeNotedIsNotedLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		s.receive("one")
		s.publish("one", "p")
		var isAway atomic.Bool
		isAway.Store(true)
		s.beforeNote = func() error {
			if isAway.Load() {
				return errors.New("the store is away")
			}
			return nil
		}
		r := start(t, s, b)
		defer r.stop()
		after(t, time.Minute)
		isAway.Store(false)
		after(t, time.Minute)
		if n := len(b.messages("one")); n != 1 || s.states("one")[0] != "p v1 delivered" || r.metric(t, "failures_total") == 0 {
			t.Errorf("%d messages, %v", n, s.states("one"))
		}
	})
}
