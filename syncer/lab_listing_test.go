package syncer

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// The failures of listings, one test each. Jobs are what is read page by page: 250 postings have more than 200 of them.

// inject switches a named fault on.
func (l *lab) inject(text string) {
	l.t.Helper()
	f, err := ashbytest.ParseFault(text)
	if err != nil {
		l.t.Fatal(err)
	}
	l.sim.Inject(f)
}

// requestsTo counts the requests to a method since a moment.
func (l *lab) requestsTo(method string, since time.Time) (n int) {
	for _, r := range l.sim.Requests() {
		if r.Method == method && !r.At.Before(since) {
			n++
		}
	}
	return n
}

// present are the ids of a kind that are stored and not gone.
func (l *lab) present(kind ashby.Kind) []string {
	var ids []string
	l.with(conn, func(a *account) {
		for k, r := range a.records {
			if k.Kind == string(kind) && !r.gone {
				ids = append(ids, k.ID)
			}
		}
	})
	slices.Sort(ids)
	return ids
}

// tokenOf is the stored token of a kind.
func (l *lab) tokenOf(kind ashby.Kind) (token mirror.Token) {
	l.with(conn, func(a *account) { token = a.tokens[listingKey{kind: string(kind)}] })
	return token
}

// keepsAll fails if anything was closed or is gone.
func (l *lab) keepsAll(jobs []string) {
	l.t.Helper()
	if got := l.closed(); got != nil {
		l.t.Errorf("closed %v", got)
	}
	if got := l.present(ashby.KindJob); !slices.Equal(got, jobs) {
		l.t.Errorf("%d jobs are left of %d", len(got), len(jobs))
	}
}

// threePages are as many postings, and jobs, as fill two pages of a lab's listings and half of a third.
const threePages = 100

func TestSoftErrorOnPageOne(t *testing.T) {
	for _, name := range []string{"soft-error", "soft-error-b", "soft-error-null"} {
		for _, method := range []string{"job.list", "jobPosting.list"} {
			t.Run(name+" "+method, func(t *testing.T) {
				inLab(t, threePages, func(t *testing.T, l *lab) {
					l.join()
					jobs, token := l.present(ashby.KindJob), l.tokenOf(ashby.KindJob)
					l.org.Retitle(l.org.Postings()[3].ID, "Changed meanwhile")
					l.inject(name + "@1:" + method)
					l.pollNow()
					l.keepsAll(jobs)
					if l.sync().LastError == "" {
						t.Error("a poll that met an error looks well")
					}
					if got := l.tokenOf(ashby.KindJob); method == "job.list" && got.Token != token.Token {
						t.Error("the token moved on with a page that was an error")
					}
					l.sim.ClearFaults()
					l.pollNow()
					l.truth()
				})
			})
		}
	}
}

// TestSoftErrorOnPageN: the pass goes on from the page that failed, and its token is stored with the last one.
func TestSoftErrorOnPageN(t *testing.T) {
	inLab(t, threePages, func(t *testing.T, l *lab) {
		l.inject("soft-error@3:job.list:1")
		l.connect(conn, l.key)
		l.pass(10 * time.Second) // the reads of postings take most of it
		if got := l.tokenOf(ashby.KindJob); got.Token != "" {
			t.Fatal("a token is stored before the last page")
		}
		if l.sync().FirstSyncedAt != nil {
			t.Fatal("the first synchronisation is over without the last page")
		}
		failed := time.Now()
		l.pass(time.Minute)
		if got := l.requestsTo("job.list", failed); got != 1 {
			t.Errorf("%d pages read after the failure, want the last alone", got)
		}
		if got := l.tokenOf(ashby.KindJob); got.Token == "" {
			t.Error("no token after the last page")
		}
		l.truth()
	})
}

func TestTruncatedListing(t *testing.T) {
	for _, fault := range []string{"cut-listing:job.list", "truncated:job.list", "cut-listing:jobPosting.list", "shrunk-list:jobPosting.list"} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, threePages, func(_ *testing.T, l *lab) {
				l.join()
				jobs := l.present(ashby.KindJob)
				l.forgetToken(ashby.KindJob)
				l.inject(fault)
				for range 3 {
					l.pollNow()
					l.pass(10 * time.Minute)
				}
				l.keepsAll(jobs)
				l.sim.ClearFaults()
				l.pollNow()
				l.pass(time.Minute)
				l.truth()
			})
		})
	}
}

// forgetToken has the next pass over a kind read everything.
func (l *lab) forgetToken(kind ashby.Kind) {
	l.with(conn, func(a *account) { delete(a.tokens, listingKey{kind: string(kind)}) })
}

func TestEmptyList(t *testing.T) {
	inLab(t, 60, func(t *testing.T, l *lab) {
		l.join()
		jobs, places := l.present(ashby.KindJob), l.present(ashby.KindLocation)
		for _, kind := range polled {
			l.forgetToken(kind)
		}
		l.inject("empty-list")
		for range 3 {
			l.pollNow()
			l.pass(10 * time.Minute)
		}
		l.keepsAll(jobs)
		if got := l.present(ashby.KindLocation); !slices.Equal(got, places) {
			t.Errorf("%d locations are left of %d", len(got), len(places))
		}
		if l.sim.FaultsTaken(ashbytest.FaultEmptyList) == 0 {
			t.Fatal("the fault was never met")
		}
		l.sim.ClearFaults()
		l.pollNow()
		l.truth()
	})
}

// restartCodes are those after which Ashby wants a full pass.
var restartCodes = []string{
	"sync-token-expired", "sync-token-invalid", "incremental-sync-too-large", "next-cursor-expired", "cursor-invalid",
	"invalid-next-cursor",
}

func TestExpiredToken(t *testing.T) {
	for _, code := range restartCodes {
		t.Run(code, func(t *testing.T) {
			inLab(t, threePages, func(t *testing.T, l *lab) {
				l.join()
				jobs, token, before := l.present(ashby.KindJob), l.tokenOf(ashby.KindJob), l.appliedUnits()
				l.inject(code + "@1:job.list:1")
				began := time.Now()
				l.pollNow()
				if got := l.requestsTo("job.list", began); got != 4 {
					t.Errorf("%d requests, want the refused one and three pages", got)
				}
				if got := l.tokenOf(ashby.KindJob); got.Token == "" {
					t.Errorf("token %q after %q", got.Token, token.Token)
				}
				for _, u := range l.units(before) {
					if len(u.Upserts) > 0 || len(u.Listings) > 0 {
						t.Errorf("unchanged data was written: %d records, %d listings", len(u.Upserts), len(u.Listings))
					}
				}
				l.keepsAll(jobs)
				l.truth()
			})
		})
	}
}

// units are those applied since.
func (l *lab) units(since int) []mirror.Unit {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return slices.Clone(l.applies[since:])
}

// TestForcedResync: a full pass that Ashby demands is cut short. What was there stays, and the pass goes on.
func TestForcedResync(t *testing.T) {
	inLab(t, threePages, func(t *testing.T, l *lab) {
		l.join()
		jobs := l.present(ashby.KindJob)
		l.inject("incremental-sync-too-large@1:job.list:1")
		l.inject("server-error@2:job.list:2")
		l.pollNow()
		l.keepsAll(jobs)
		failed := time.Now()
		l.pass(time.Minute)
		if got := l.requestsTo("job.list", failed); got != 2 {
			t.Errorf("%d pages after the failure, want those that were left", got)
		}
		l.keepsAll(jobs)
		l.truth()
	})
}

// TestEmptyDeltaWithANewToken: whoever keeps the old token stays behind for ever once it has expired.
func TestEmptyDeltaWithANewToken(t *testing.T) {
	inLab(t, 60, func(t *testing.T, l *lab) {
		l.join()
		token := l.tokenOf(ashby.KindJob)
		l.inject("fresh-token:job.list")
		before := l.appliedUnits()
		l.pollNow()
		next := l.tokenOf(ashby.KindJob)
		if next.Token == token.Token || next.Token == "" {
			t.Errorf("token %q after %q", next.Token, token.Token)
		}
		units := l.units(before)
		if len(units) != 1 || units[0].Token == nil || len(units[0].Upserts)+len(units[0].Listings) != 0 {
			t.Errorf("%d units, want the token's alone", len(units))
		}
		l.sim.ClearFaults()
		l.org.RetitleJob(l.org.Postings()[0].JobID, "Told by the new token")
		l.pollNow()
		if got := l.jobTitle(l.org.Postings()[0].JobID); got != "Told by the new token" {
			t.Errorf("job %q", got)
		}
	})
}

// jobTitle is the title of a stored job.
func (l *lab) jobTitle(id string) (title string) {
	l.with(conn, func(a *account) {
		if r := a.records[keyFor(ashby.KindJob, id)]; r != nil {
			if j, err := ashby.DecodeJob(r.Doc); err == nil {
				title = j.Title
			}
		}
	})
	return title
}

// TestDeltaWithoutAToken: the old token stays.
func TestDeltaWithoutAToken(t *testing.T) {
	inLab(t, 60, func(t *testing.T, l *lab) {
		l.join()
		token := l.tokenOf(ashby.KindJob)
		l.inject("no-token")
		l.pollNow()
		if got := l.tokenOf(ashby.KindJob); got.Token != token.Token {
			t.Errorf("token %q after %q", got.Token, token.Token)
		}
	})
}

func TestTokenAfterChangedParameters(t *testing.T) {
	inLab(t, 60, func(t *testing.T, l *lab) {
		l.join()
		l.with(conn, func(a *account) {
			key := listingKey{kind: string(ashby.KindJob)}
			of := a.tokens[key]
			of.ParamsHash = bytes.Repeat([]byte{7}, 32)
			a.tokens[key] = of
		})
		ran := l.ran()
		l.pollNow()
		if got := l.tokenOf(ashby.KindJob); !bytes.Equal(got.ParamsHash, ashby.ParamsHash(ashby.KindJob, "")) {
			t.Error("the token of other parameters is still there")
		}
		if got := l.ran()[len(ran)].Rows; got < 60+len(l.present(ashby.KindJob)) {
			t.Errorf("%d rows read, want all jobs again", got)
		}
		l.truth()
	})
}

// ran are the runs that were noted, oldest first.
func (l *lab) ran() []mirror.Run {
	l.pass(2 * time.Second)
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return slices.Clone(l.runs)
}

func TestDuplicateAcrossPages(t *testing.T) {
	for _, fault := range []string{"repeated-row:job.list", "duplicate-rows"} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, threePages, func(t *testing.T, l *lab) {
				l.inject(fault)
				l.join()
				if got, want := len(l.present(ashby.KindJob)), len(l.org.RecordIDs("job")); got != want {
					t.Errorf("%d jobs, want %d", got, want)
				}
				l.truth()
			})
		})
	}
}

// TestItemThatMovesBetweenPages: a row that no page showed is not gone, for its own read still finds it.
func TestItemThatMovesBetweenPages(t *testing.T) {
	inLab(t, threePages, func(t *testing.T, l *lab) {
		l.join()
		jobs := l.present(ashby.KindJob)
		l.forgetToken(ashby.KindJob)
		l.inject("moved-row:job.list")
		l.pollNow()
		if l.sim.FaultsTaken(ashbytest.FaultMovedRow) == 0 {
			t.Fatal("the fault was never met")
		}
		l.keepsAll(jobs)
		l.truth()
	})
}

func TestCursorLoop(t *testing.T) {
	inLab(t, threePages, func(t *testing.T, l *lab) {
		l.join()
		jobs := l.present(ashby.KindJob)
		l.forgetToken(ashby.KindJob)
		l.inject("cursor-loop:job.list")
		began := time.Now()
		l.pollNow()
		if got := l.requestsTo("job.list", began); got > 10 {
			t.Errorf("%d requests before the loop was noticed", got)
		}
		if got := l.sync().LastError; !strings.Contains(got, "repeat") {
			t.Errorf("last error %q", got)
		}
		l.keepsAll(jobs)
		l.sim.ClearFaults()
		l.pass(2 * time.Minute)
		l.truth()
		if got := l.tokenOf(ashby.KindJob); got.Token == "" {
			t.Error("no token once the pages end")
		}
	})
}

// TestPassGoesOnAfterACrash: another process takes over in the middle of a pass.
func TestPassGoesOnAfterACrash(t *testing.T) {
	inLab(t, 180, func(t *testing.T, l *lab) {
		l.inject("timeout@3:job.list:1")
		l.connect(conn, l.key)
		l.pass(30 * time.Second) // within the request that is never answered
		l.stop()
		l.start("two", l.own)
		began := time.Now()
		l.pass(2 * time.Minute)
		if got := l.requestsTo("job.list", began); got != 3 {
			t.Errorf("%d pages after the crash, want the three that were left", got)
		}
		l.truth()
		if got := len(l.events("")); got != 180 {
			t.Errorf("%d events for 180 postings", got)
		}
	})
}
