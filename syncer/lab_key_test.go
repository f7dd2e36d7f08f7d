package syncer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The failures of keys and of Ashby as a whole, one test each.

// TestLostPermissionOfAModule: it pauses alone, and goes on by itself.
func TestLostPermissionOfAModule(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(30)
		l.org.SetScopes(l.key, slices.DeleteFunc(slices.Clone(allScopes), func(s string) bool { return s == "candidates:read" })...)
		l.join("candidates", "offers")
		l.sliceNow()
		l.pass(time.Minute)
		states := l.moduleStates()
		if s := states["candidates"]; s.State != mirror.ModulePaused || !strings.Contains(s.Reason, "Candidates") {
			t.Errorf("module candidates: %+v", s)
		}
		if s := states["offers"]; s.State != mirror.ModuleActive || s.CompleteAt == nil {
			t.Errorf("module offers: %+v", s)
		}
		if got := len(l.present(ashby.KindOffer)); got == 0 || len(l.present(ashby.KindCandidate)) != 0 {
			t.Errorf("%d offers, %d candidates", got, len(l.present(ashby.KindCandidate)))
		}
		if s := l.connection().Status; s != mirror.StatusActive {
			t.Errorf("the connection is %s", s)
		}
		l.org.Retitle(l.org.Postings()[0].ID, "Postings go on")
		l.pollNow()
		l.truth()

		l.org.SetScopes(l.key, allScopes...)
		l.pass(2 * time.Hour)
		states = l.moduleStates()
		if s := states["candidates"]; s.State != mirror.ModuleActive || s.Reason != "" || s.CompleteAt == nil {
			t.Errorf("module candidates after the permission came: %+v", s)
		}
		if got := len(l.present(ashby.KindCandidate)); got != 30 {
			t.Errorf("%d candidates", got)
		}
	})
}

func (l *lab) moduleStates() map[string]mirror.ModuleState {
	states, err := l.ModuleStates(l.t.Context(), conn)
	if err != nil {
		l.t.Fatal(err)
	}
	return states
}

func TestRevokedKey(t *testing.T) {
	inLab(t, 30, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.join("offers")
		jobs := l.present(ashby.KindJob)
		l.org.RevokeKey(l.key)
		l.org.Unpublish(l.org.Postings()[0].ID)
		l.pass(3 * time.Hour)
		l.keepsAll(jobs)
		if c := l.connection(); c.Status != mirror.StatusUnauthorized || c.StatusCode != "unauthorized" {
			t.Errorf("status %s, code %q", c.Status, c.StatusCode)
		}
		asked := len(l.sim.Requests())
		l.pass(3 * time.Hour)
		if got := len(l.sim.Requests()) - asked; got > 8 {
			t.Errorf("%d requests in three hours with a key that Ashby refuses", got)
		}
		key := l.org.AddKey(ashbytest.KeyOptions{Scopes: allScopes})
		l.with(conn, func(a *account) { a.sealed, a.c.Status = mirror.Sealed(key), mirror.StatusActive })
		l.pollNow()
		l.pass(time.Minute)
		l.truth()
		if l.openRows() != 0 {
			t.Errorf("%d webhooks are unanswered", l.openRows())
		}
	})
}

// TestRefusedForAMoment: one 401 or 403 that passes closes nothing and is over with the next poll.
func TestRefusedForAMoment(t *testing.T) {
	for _, fault := range []string{"unauthorized-once", "forbidden-plain:jobPosting.list:1", "missing-permission:jobPosting.list:1", "html:jobPosting.list:2"} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, 30, func(t *testing.T, l *lab) {
				l.join()
				jobs := l.present(ashby.KindJob)
				l.inject(fault)
				l.pollNow()
				l.keepsAll(jobs)
				l.pass(time.Hour + 10*time.Minute)
				l.truth()
				if s := l.connection().Status; s != mirror.StatusActive {
					t.Errorf("status %s", s)
				}
			})
		})
	}
}

func TestAshbyDownForAnHour(t *testing.T) {
	for _, fault := range []string{"server-error", "bad-gateway", "unavailable-retry-after", "timeout", "connection-reset", "html", "rate-limit", "rate-limit-partner"} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, 30, func(t *testing.T, l *lab) {
				l.withWebhooks()
				l.join()
				jobs := l.present(ashby.KindJob)
				l.inject(fault)
				began := time.Now()
				for i := range 6 {
					l.org.Retitle(l.org.Postings()[i].ID, "Changed during the outage")
					l.org.Unpublish(l.org.Postings()[10+i].ID)
					l.pass(10 * time.Minute)
				}
				l.keepsAll(jobs)
				if got := len(l.sim.Requests()); time.Since(began) < time.Hour || got == 0 {
					t.Fatal("the outage was not met")
				}
				l.sim.ClearFaults()
				l.pass(20 * time.Minute)
				l.pollNow()
				l.truth()
				if l.openRows() != 0 {
					t.Errorf("%d webhooks are unanswered", l.openRows())
				}
				if s := l.connection().Status; s != mirror.StatusActive {
					t.Errorf("status %s after the outage", s)
				}
			})
		})
	}
}

func TestNewNullableFieldAndNewEnum(t *testing.T) {
	for _, fault := range []string{"unknown-fields", "null-fields", "unknown-enum"} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, 30, func(t *testing.T, l *lab) {
				l.org.GenerateHiring()
				l.org.GenerateCandidates(10)
				l.inject(fault)
				l.join("candidates", "interviews", "offers", "hiring_process", "organization", "approvals")
				l.sliceNow()
				l.pass(time.Minute)
				if got := l.published(); got != 30 {
					t.Errorf("%d postings published", got)
				}
				for _, r := range l.ran() {
					if r.Outcome != "ok" {
						t.Errorf("%s ended %s: %s", r.Task, r.Outcome, r.Reason)
					}
				}
				if got := len(l.present(ashby.KindCandidate)); got != 10 {
					t.Errorf("%d candidates", got)
				}
				l.quarantined(0)
			})
		})
	}
}

// published counts the postings that were told of, once each.
func (l *lab) published() (n int) {
	for _, e := range l.events("") {
		if e.typ == events.JobPublished {
			n++
		}
	}
	return n
}

// quarantined fails unless so many rows are in quarantine.
func (l *lab) quarantined(want int) {
	l.t.Helper()
	l.with(conn, func(a *account) {
		if len(a.bad) != want {
			l.t.Errorf("%d rows in quarantine, want %d: %v", len(a.bad), want, a.bad)
		}
	})
}

// TestOneOrganisationUnderTwoKeys: two connections read one organisation and do not mind each other.
func TestOneOrganisationUnderTwoKeys(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.join()
		l.connectToo("c2", l.org.AddKey(ashbytest.KeyOptions{}))
		l.pass(time.Minute)
		l.org.Retitle(l.org.Postings()[0].ID, "Both are told")
		l.org.Unpublish(l.org.Postings()[1].ID)
		l.with("c2", func(a *account) { a.sync.NextPollAt = time.Now() })
		l.pollNow()
		l.truth()
		for _, fault := range differences(l.world, "c2", l.org) {
			t.Errorf("under the second key: %s", fault)
		}
		for id, n := range map[string]int{conn: 22, "c2": 22} {
			got := 0
			for _, e := range l.events("") {
				if e.connection == id {
					got++
				}
			}
			if got != n {
				t.Errorf("%d events of %s, want %d", got, id, n)
			}
		}
		l.org.RevokeKey(l.key)
		l.org.Unpublish(l.org.Postings()[2].ID)
		l.with("c2", func(a *account) { a.sync.NextPollAt = time.Now() })
		l.pollNow()
		for _, fault := range differences(l.world, "c2", l.org) {
			t.Errorf("after the first key was revoked: %s", fault)
		}
	})
}

func TestFirstSyncOfHundredsIsSeed(t *testing.T) {
	inLab(t, 300, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.connect(conn, l.key)
		l.pass(time.Minute)
		if l.sync().FirstSyncedAt == nil {
			t.Fatalf("no first synchronisation: %q", l.sync().LastError)
		}
		log := l.events("")
		for _, e := range log {
			if e.typ != events.JobPublished || e.data.Origin != events.OriginSeed || e.data.Version != 1 {
				t.Fatalf("event %s %s of version %d", e.typ, e.data.Origin, e.data.Version)
			}
		}
		if len(log) != 300 {
			t.Errorf("%d events", len(log))
		}
		l.with(conn, func(a *account) {
			if len(a.coverage) != 0 {
				t.Errorf("the first synchronisation counts as %d changes", len(a.coverage))
			}
		})
		l.org.Retitle(l.org.Postings()[0].ID, "No seed any more")
		l.pass(10 * time.Second)
		if log := l.events(l.org.Postings()[0].ID); len(log) != 2 || log[1].data.Origin != events.OriginWebhook {
			t.Errorf("events %+v", log)
		}
	})
}
