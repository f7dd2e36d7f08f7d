package jobfeed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// bench are lanes without handlers, and what they let go of.
type bench struct {
	*lanes
	t        *testing.T
	gone     []string
	returned []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{lanes: newLanes(time.Hour, nil), t: t}
	b.let = func(d delivery) { b.gone = append(b.gone, d.reply) }
	b.giveBack = func(d delivery) { b.returned = append(b.returned, d.reply) }
	t.Cleanup(func() { b.stop() })
	return b
}

// comes accepts a delivery whose reply is "<key> <version>", with a mark behind it where it is given.
func (b *bench) comes(key string, version int64, mark string) {
	b.accept(delivery{key: key, version: version, reply: fmt.Sprint(key, version, mark)})
}

// work takes what is to be handled next, which must be there.
func (b *bench) work() work {
	b.t.Helper()
	if len(b.ready) == 0 {
		b.t.Fatal("nothing is to be handled")
	}
	w, _ := b.next()
	return w
}

func (b *bench) wants(what string, got []string, want ...string) {
	b.t.Helper()
	if !slices.Equal(got, want) {
		b.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestLanesOneJob(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.comes("a", 3, "")
	w := b.work()
	b.comes("a", 3, " again") // while it is handled
	b.comes("a", 2, "")       // older than what is being handled
	b.comes("a", 5, "")
	b.comes("a", 4, "") // older than what waits
	if len(b.ready) != 0 {
		t.Error("a second one of the job may be handled")
	}
	b.wants("before it is handled", b.gone, "a2", "a4")
	b.finish(w.queue, true)
	b.wants("after it", b.gone, "a2", "a4", "a3 again")
	if w = b.work(); w.as.version != 5 || w.missed != 1 {
		t.Errorf("then comes %d, missed %d", w.as.version, w.missed)
	}
	b.finish(w.queue, true)
	b.comes("a", 5, " again")
	b.wants("at last", b.gone, "a2", "a4", "a3 again", "a5", "a5 again")
	if held, _ := b.size(); held != 0 || len(b.queues) != 0 {
		t.Errorf("%d events are left", held)
	}
}

func TestLanesNewerEventOfAFailingJob(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.comes("a", 1, "")
	w := b.work()
	if pause := b.finish(w.queue, false); pause == 0 || len(b.ready) != 0 {
		t.Errorf("after a failure the pause is %v", pause)
	}
	b.comes("a", 2, "") // it takes the place of the failing one at once
	b.wants("superseded", b.gone, "a1")
	w = b.work()
	b.comes("a", 3, "")
	b.comes("a", 4, "")
	if pause := b.finish(w.queue, false); pause != 0 {
		t.Errorf("with a newer one there is a pause of %v", pause)
	}
	b.wants("superseded", b.gone, "a1", "a2", "a3")
	w = b.work()
	b.finish(w.queue, true)
	b.wants("handled", b.gone, "a1", "a2", "a3", "a4")
}

func TestLanesCatchUp(t *testing.T) {
	t.Parallel()
	caughtUp := func(b *bench) bool {
		select {
		case <-b.caught.done:
			return true
		default:
			return false
		}
	}
	b := newBench(t)
	b.comes("failed before", 1, "")
	b.finish(b.work().queue, false)
	b.comes("fails", 1, "")
	b.comes("handled", 1, "")
	fails, handled := b.work(), b.work()
	b.allRead()
	b.comes("later", 1, "")
	b.finish(fails.queue, false)
	if caughtUp(b) {
		t.Error("caught up before all was handled")
	}
	b.finish(handled.queue, true)
	if !caughtUp(b) {
		t.Error("a failing event, or one that came later, holds it up")
	}
	// What is cleared away was not handled.
	b = newBench(t)
	b.comes("a", 1, "")
	b.allRead()
	b.stop()
	if caughtUp(b) {
		t.Error("caught up by stopping")
	}
}

func TestLanesForget(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.comes("running", 7, "")
	w := b.work()
	b.comes("running", 8, "")
	b.comes("waiting", 1, "")
	b.comes("failed", 1, "")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.forget(ended, func() error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("forgetting while a handler runs: %v", err)
	}
	b.finish(w.queue, true)
	if held, ready := b.size(); held != 0 || ready != 0 || len(b.queues) != 0 {
		t.Errorf("%d events and %d queues are left", held, len(b.queues))
	}
	if b.known("running") != 7 {
		t.Error("versions are forgotten although the positions are not")
	}
	if err := b.forget(t.Context(), func() error { return nil }); err != nil || b.known("running") != 0 {
		t.Errorf("version %d is known, %v", b.known("running"), err)
	}
	b.comes("running", 3, "")
	if w := b.work(); w.as.version != 3 || w.missed != 0 {
		t.Errorf("then comes %d, missed %d", w.as.version, w.missed)
	}
}

// What is not tested over a network, since TCP loses nothing in the middle: messages and requests that do.
func TestSessionNoticesGaps(t *testing.T) {
	t.Parallel()
	reader := func() *session {
		o, err := Options{URL: "x"}.complete()
		if err != nil {
			t.Fatal(err)
		}
		return &session{run: &run{Options: o, src: stream{}}, link: &link{down: make(chan struct{})}, attachment: attachment{number: 4}}
	}
	heartbeat := func(s *session, last string) {
		s.told("100", nats.Header{"Nats-Last-Consumer": {last}})
	}
	s := reader()
	heartbeat(s, "4")
	if s.link.err != nil {
		t.Errorf("nothing was lost: %v", s.link.err)
	}
	heartbeat(s, "5")
	if !errors.Is(s.link.err, errGap) {
		t.Errorf("the last message was lost: %v", s.link.err)
	}
	s = reader()
	now := time.Now()
	s.asked, s.heard = 1, now.Add(-2*s.pace.heartbeat)
	if s.silent(now) || !s.silent(now.Add(s.pace.heartbeat)) {
		t.Error("silence is not noticed after two and a half heartbeats")
	}
	s.asked = 0
	if s.silent(now.Add(time.Hour)) {
		t.Error("a server that was asked for nothing need not speak")
	}
}
