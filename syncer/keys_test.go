package syncer

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func (b *bundle) revoke(key string) {
	b.vendor.mu.Lock()
	defer b.vendor.mu.Unlock()
	b.bad[key] = true
}

func TestRevokedKeyClosesNothingAndIsProbedOnceAnInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.revoke("key")
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		if c := b.connection(); c.Status != mirror.StatusUnauthorized || c.StatusReason == "" {
			t.Fatalf("status %s %q", c.Status, c.StatusReason)
		}
		b.called()
		b.webhook(ashby.KindPosting, "a")
		b.pass(3*time.Hour + 30*time.Minute)
		if got := b.closed(); got != nil {
			t.Errorf("closed %v", got)
		}
		calls := b.called()
		if len(calls) < 3 || len(calls) > 4 || count(calls, "jobPosting.list") != len(calls) {
			t.Errorf("calls in 3.5 hours: %v, want one probe an interval", calls)
		}
		b.with(conn, func(a *account) { // as a replaced key does
			a.sealed, a.c.Status, a.sync.NextPollAt = mirror.Sealed("new"), mirror.StatusActive, time.Now()
		})
		b.pass(10 * time.Second)
		if b.openRows() != 0 || b.connection().Status != mirror.StatusActive {
			t.Error("not recovered with the new key")
		}
	})
}

func TestKeyThatIsTakenAgainRecovers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.revoke("key")
		b.pollNow()
		b.vendor.mu.Lock()
		b.bad = map[string]bool{}
		b.vendor.mu.Unlock()
		b.pass(time.Hour + 10*time.Minute)
		if s := b.connection().Status; s != mirror.StatusActive {
			t.Errorf("status %s", s)
		}
	})
}

func TestKeyReplacedInTheMiddleOfAPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed"})
		b.setHold(func(_ context.Context, method, _ string) {
			if method != "department.list" {
				return
			}
			b.setHold(nil)
			b.revoke("key")
			b.with(conn, func(a *account) { a.sealed = mirror.Sealed("new") })
		})
		b.pollNow()
		if got := b.statuses; len(got) != 0 {
			t.Errorf("statuses %v: the old key's refusal says nothing of the new one", got)
		}
		if len(b.events("a")) != 2 || b.count("polls_total", "ok") != 2 {
			t.Error("the poll did not go on with the new key")
		}
	})
}

func TestKeyReplacedInTheMiddleOfARefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed"})
		b.revoke("key")
		replaced := false
		b.onConnection = func() {
			if replaced {
				b.with(conn, func(a *account) { a.sealed = mirror.Sealed("new") })
			}
			replaced = true
		}
		b.webhook(ashby.KindPosting, "a")
		b.pass(10 * time.Second)
		if got := b.statuses; len(got) != 0 {
			t.Errorf("statuses %v", got)
		}
		if len(b.events("a")) != 2 {
			t.Error("the refresh was not done with the new key")
		}
	})
}

func TestKeyReplacedWhileItsRefusalIsNoted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed"})
		b.revoke("key")
		b.onStatus = func() { b.with(conn, func(a *account) { a.sealed = mirror.Sealed("new") }) }
		b.webhook(ashby.KindPosting, "a")
		b.pass(20 * time.Second)
		if got := b.statuses; len(got) != 0 {
			t.Errorf("statuses %v: the old key's refusal says nothing of the new one", got)
		}
		if len(b.events("a")) != 2 || b.openRows() != 0 {
			t.Error("the refresh was not done with the new key")
		}
	})
}

func TestRefusalDuringAPollThatSucceeds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		gate := make(chan struct{})
		b.setHold(holdFirst("jobPosting.list", gate))
		b.pollNow()
		b.setFault(failing("jobPosting.info", ashby.ErrUnauthorized))
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		if s := b.connection().Status; s != mirror.StatusUnauthorized {
			t.Fatalf("status %s", s)
		}
		b.setFault(nil)
		close(gate)
		b.pass(10 * time.Second)
		if s := b.connection().Status; s != mirror.StatusActive || b.openRows() != 0 {
			t.Errorf("status %s after a poll that went well, %d webhooks unanswered", s, b.openRows())
		}
	})
}

func TestFirstRefusalIsProbedSoon(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.setFault(failing("jobPosting.info", ashby.ErrUnauthorized))
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		b.setFault(nil)
		b.pass(80 * time.Second)
		if s := b.connection().Status; s != mirror.StatusActive || b.openRows() != 0 {
			t.Errorf("status %s, %d webhooks unanswered", s, b.openRows())
		}
	})
}

// TestLastingRefusalOfOneObject: polls go well and one object stays refused; the status must not flap every minute.
func TestLastingRefusalOfOneObject(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.setFault(failing("jobPosting.info", ashby.ErrUnauthorized))
		b.webhook(ashby.KindPosting, "a")
		b.pass(6 * time.Hour)
		if got := len(b.statuses); got < 10 || got > 30 {
			t.Errorf("%d changes of the status in six hours", got)
		}
	})
}

func TestIdleConnectionsKeepNothingInMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		if desks(b.syncer) != 1 {
			t.Fatalf("%d desks after a poll", desks(b.syncer))
		}
		b.pass(5 * time.Minute)
		if desks(b.syncer) != 0 {
			t.Errorf("%d desks after five idle minutes", desks(b.syncer))
		}
		b.setFault(failing("", ashby.ErrUnavailable))
		b.pollNow()
		b.with(conn, func(a *account) { a.sync.NextPollAt = time.Now().Add(time.Hour) })
		b.pass(5 * time.Minute)
		if desks(b.syncer) != 1 {
			t.Error("a connection that fails must be remembered")
		}
	})
}

func desks(s *Syncer) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.owned {
		p.mu.Lock()
		n += len(p.desks)
		p.mu.Unlock()
	}
	return n
}

// sealings opens what was sealed with one key or another: the key's name stands before the colon.
type sealings struct{ plainSealer }

func (s sealings) Open(sealed mirror.Sealed, connection, kind string) (ashby.Secret, error) {
	_, plain, isSealed := strings.Cut(string(sealed), ":")
	if !isSealed {
		plain = string(sealed)
	}
	return s.plainSealer.Open(mirror.Sealed(plain), connection, kind)
}

// TestKeySealedAnewKeepsItsClient: with another client, the key's pace at Ashby would begin anew.
func TestKeySealedAnewKeepsItsClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		made := map[string]int{}
		b := setup(t, func(o *Options) {
			plain := o.NewClient
			o.Seal = sealings{}
			o.NewClient = func(key ashby.Secret) (AshbyClient, error) {
				made[key.Reveal()]++
				return plain(key)
			}
		})
		b.connect(conn, "key")
		b.pass(3 * time.Second)
		// A poll between them, so that the desk is not forgotten.
		for _, sealed := range []string{"k2:key", "k3:key", "k3:other"} {
			b.with(conn, func(a *account) { a.sealed = mirror.Sealed(sealed) })
			b.pollNow()
		}
		if made["key"] != 1 || made["other"] != 1 {
			t.Errorf("clients made: %v", made)
		}
		if b.count("polls_total", "ok") != 4 {
			t.Error("not every poll succeeded")
		}
	})
}
