package syncer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestNoFailingAnswerCloses(t *testing.T) {
	reasons := map[string]error{
		"unauthorized": ashby.ErrUnauthorized, "missing permission": ashby.ErrMissingPermission,
		"not found": ashby.ErrNotFound, "rate limited": ashby.ErrRateLimited, "unavailable": ashby.ErrUnavailable,
		"malformed": ashby.ErrMalformed, "refused": ashby.ErrRefused, "restart": ashby.ErrRestart,
	}
	for _, method := range []string{"", "jobPosting.list", "jobPosting.info", "job.list", "job.info", "location.list"} {
		for name, reason := range reasons {
			t.Run(fmt.Sprintf("%s %s", method, name), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					b := synced(t, "a", "b", "c", "d", "e")
					b.with(conn, func(a *account) { a.c.PollInterval = 15 * time.Minute })
					for _, id := range []string{"a", "b", "c", "d", "e"} {
						b.put(ashby.KindPosting, id, map[string]any{"title": "Changed"})
						b.put(ashby.KindJob, "job-"+id, map[string]any{"title": "Changed"})
					}
					b.setFault(failing(method, reason))
					b.pollNow()
					for _, id := range []string{"a", "b"} {
						b.webhook(ashby.KindPosting, id)
						b.webhook(ashby.KindJob, "job-"+id)
					}
					b.pass(time.Minute)
					if got := b.closed(); got != nil {
						t.Fatalf("closed %v", got)
					}
					b.setFault(nil)
					b.pass(22 * time.Minute)
					if s := b.connection().Status; s != mirror.StatusActive {
						t.Errorf("status %s after the fault", s)
					}
					if b.openRows() != 0 {
						t.Error("webhooks stay unanswered after the fault")
					}
					for _, id := range []string{"a", "e"} {
						if log := b.events(id); log[len(log)-1].data.Job.Title != "Changed" {
							t.Errorf("posting %s is stale after the fault", id)
						}
					}
				})
			})
		}
	}
}

// TestOddListingsCloseNothing gives complete answers that are wrong; the reads of the postings tell.
func TestOddListingsCloseNothing(t *testing.T) {
	for name, change := range map[string]func(l *ashby.PostingList){
		"empty":      func(l *ashby.PostingList) { l.Records = nil },
		"shrunk":     func(l *ashby.PostingList) { l.Records = l.Records[:2] },
		"one gone":   func(l *ashby.PostingList) { l.Records = l.Records[1:] },
		"duplicates": func(l *ashby.PostingList) { l.Records = append(l.Records, l.Records...) },
		"bad rows": func(l *ashby.PostingList) {
			l.Bad = []ashby.BadRow{{ID: l.Records[0].ID, Err: ashby.ErrMalformed}}
			l.Records = l.Records[1:]
		},
		"bad rows without ids": func(l *ashby.PostingList) {
			l.Bad, l.Records = []ashby.BadRow{{Err: ashby.ErrMalformed}}, nil
		},
		"undecodable": func(l *ashby.PostingList) {
			for i := range l.Records {
				l.Records[i].Raw = []byte(`{"id":"` + l.Records[i].ID + `","isListed":"perhaps"}`)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := synced(t, "a", "b", "c", "d", "e", "f")
				b.vendor.mu.Lock()
				b.list = change
				b.vendor.mu.Unlock()
				for range 4 {
					b.pollNow()
					b.pass(10 * time.Minute)
				}
				if got := b.events(""); len(got) != 6 {
					t.Errorf("%d events, want those of the first sync alone: %+v", len(got), got[6:])
				}
			})
		})
	}
}

// TestAbsenceIsNotEnough: the listing lacks a posting, and the read that would have to confirm it says nothing.
func TestAbsenceIsNotEnough(t *testing.T) {
	for _, reason := range []error{
		ashby.ErrUnauthorized, ashby.ErrMissingPermission, ashby.ErrRateLimited,
		ashby.ErrUnavailable, ashby.ErrMalformed, ashby.ErrRefused,
	} {
		t.Run(reason.Error(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := synced(t, "a", "b", "c")
				b.remove(ashby.KindPosting, "a")
				b.setFault(failing("jobPosting.info", reason))
				b.pollNow()
				b.pass(time.Minute)
				if got := b.closed(); got != nil {
					t.Fatalf("closed %v", got)
				}
				b.setFault(nil)
				b.pass(time.Hour + 10*time.Minute)
				if got := b.closed(); !slices.Equal(got, []string{"a"}) {
					t.Errorf("closed %v once it can be read", got)
				}
			})
		})
	}
}

// TestRowWithoutIDMayBeAnyPosting: while one is in the listing, no absence is certain, whatever else is said.
func TestRowWithoutIDMayBeAnyPosting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b", "c")
		b.setFault(failing("jobPosting.info", ashby.ErrNotFound))
		b.vendor.mu.Lock()
		b.list = func(l *ashby.PostingList) {
			l.Records, l.Bad = l.Records[1:], []ashby.BadRow{{Err: ashby.ErrMalformed}}
		}
		b.vendor.mu.Unlock()
		b.webhook(ashby.KindPosting, "a")
		b.pollNow()
		b.pass(20 * time.Minute)
		if got := b.closed(); got != nil {
			t.Errorf("closed %v", got)
		}
		if b.count("bad_rows_total", "posting") == 0 {
			t.Error("not counted")
		}
	})
}

func TestImplausiblePostingIsLeftAsItIs(t *testing.T) {
	for name, fields := range map[string]map[string]any{
		"isListed missing":     {"isListed": nil},
		"unknown status":       {"status": "Archived"},
		"isListed of no sense": {"isListed": "yes"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := synced(t, "a", "b", "c")
				b.put(ashby.KindPosting, "a", fields)
				b.put(ashby.KindPosting, "b", map[string]any{"title": "Changed"})
				b.webhook(ashby.KindPosting, "a")
				b.pollNow()
				if got := b.closed(); got != nil {
					t.Fatalf("closed %v", got)
				}
				if len(b.events("b")) != 2 {
					t.Error("one odd posting keeps the poll from the others")
				}
				b.put(ashby.KindPosting, "a", map[string]any{"isListed": true, "status": "Published", "title": "Fine again"})
				b.pass(time.Hour + 10*time.Minute)
				if log := b.events("a"); len(log) != 2 || b.openRows() != 0 {
					t.Errorf("after recovery: %d events, %d open webhooks", len(log), b.openRows())
				}
			})
		})
	}
}

func TestManyUnreadablePostingsFailThePoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		for i := range 50 {
			b.publish(fmt.Sprintf("p%02d", i))
		}
		b.setFault(failing("jobPosting.info", ashby.ErrMalformed))
		b.connect(conn, "key")
		b.pass(3 * time.Second)
		if b.sync().LastError == "" || b.sync().FirstSyncedAt != nil {
			t.Error("a poll that could read nothing counts as complete")
		}
		if got := count(b.called(), "jobPosting.info"); got > 30 {
			t.Errorf("%d reads before the poll gave up", got)
		}
	})
}

func TestDegradedAfterThreeFailuresAndRecovered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.setFault(failing("", ashby.ErrUnavailable))
		b.pollNow()
		if s := b.connection().Status; s != mirror.StatusActive {
			t.Fatalf("status %s after one failure", s)
		}
		b.pass(2 * time.Minute)
		c := b.connection()
		if c.Status != mirror.StatusDegraded || c.StatusReason == "" {
			t.Fatalf("status %s %q after three failures", c.Status, c.StatusReason)
		}
		b.setFault(nil)
		b.pass(10 * time.Minute)
		if s := b.connection().Status; s != mirror.StatusActive {
			t.Errorf("status %s after the fault", s)
		}
		b.with(conn, func(a *account) {
			if len(a.fails) < 3 || len(a.fails) > 8 {
				t.Errorf("%d failed polls in 12 minutes: the delay must grow", len(a.fails))
			}
		})
	})
}

func TestRateLimitIsWaitedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.setFault(failing("", ashby.ErrRateLimited))
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		if delays := b.bus.putOff(); len(delays) != 1 || delays[0] < 20*time.Second {
			t.Errorf("delays %v, want Ashby's 20 s", delays)
		}
	})
}

// TestBrake: an Ashby that does not answer one connection must not take everyone's slots.
func TestBrake(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ids := make([]string, 40)
		for i := range ids {
			ids[i] = fmt.Sprintf("p%02d", i)
		}
		b := synced(t, ids...)
		b.setFault(failing("", ashby.ErrUnavailable))
		for _, id := range ids {
			b.webhook(ashby.KindPosting, id)
			b.pass(time.Millisecond)
		}
		b.pass(5 * time.Second)
		if got := len(b.called()); got > 20 {
			t.Errorf("%d calls to an Ashby that does not answer", got)
		}
		b.setFault(nil)
		b.pass(30 * time.Minute)
		if b.openRows() != 0 {
			t.Errorf("%d webhooks stay unanswered", b.openRows())
		}
	})
}

func TestStoreDownMeansNoCalls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed"})
		b.deliver(mirror.Hint{Connection: conn, Kind: "posting", ID: "a"})
		b.setDown(true)
		_ = b.bus.PublishHint(t.Context(), mirror.Hint{Connection: conn, Kind: "posting", ID: "a"})
		b.pass(10 * time.Second)
		if calls := b.called(); len(calls) != 0 {
			t.Errorf("calls %v whose answers cannot be stored", calls)
		}
		b.setDown(false)
		b.pass(time.Minute)
		if len(b.events("a")) != 2 || b.openRows() != 0 {
			t.Error("not caught up after the store came back")
		}
	})
}

func TestMassDisappearanceIsHeldThenConfirmed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b", "c", "d", "e", "f")
		for _, id := range []string{"a", "b", "c", "d"} {
			b.remove(ashby.KindPosting, id)
		}
		b.pollNow()
		if got := b.closed(); got != nil {
			t.Fatalf("closed %v at once", got)
		}
		b.with(conn, func(a *account) {
			if a.hold == nil || len(a.hold.Postings) != 4 {
				t.Fatalf("hold %+v", a.hold)
			}
		})
		b.pass(4 * time.Minute)
		if got := b.closed(); got != nil {
			t.Fatalf("closed %v too early", got)
		}
		b.pass(2 * time.Minute)
		got := b.closed()
		slices.Sort(got)
		if !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Fatalf("closed %v after the second listing", got)
		}
		b.with(conn, func(a *account) {
			if a.hold != nil {
				t.Errorf("hold %+v is over", a.hold)
			}
		})
		if b.count("held_postings_total", "") != 4 {
			t.Error("the hold was not counted")
		}
	})
}

func TestHeldPostingsThatComeBackStay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b", "c", "d", "e")
		b.vendor.mu.Lock()
		b.list = func(l *ashby.PostingList) { l.Records = nil }
		b.vendor.mu.Unlock()
		b.pollNow()
		b.vendor.mu.Lock()
		b.list = nil
		b.vendor.mu.Unlock()
		b.pass(10 * time.Minute)
		if got := b.closed(); got != nil {
			t.Errorf("closed %v", got)
		}
		b.with(conn, func(a *account) {
			if a.hold != nil {
				t.Error("the hold stays though the listing recovered")
			}
		})
	})
}
