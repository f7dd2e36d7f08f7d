package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestFirstSyncPublishesEachPostingAsItIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		b.publish("a", "b", "c")
		slow := make(chan struct{})
		b.setHold(func(ctx context.Context, method, id string) {
			if method == "jobPosting.info" && id == "c" {
				select {
				case <-slow:
				case <-ctx.Done():
				}
			}
		})
		b.connect(conn, "key")
		b.pass(3 * time.Second)
		if got := len(b.events("")); got != 2 {
			t.Fatalf("%d events while the third posting is being read, want 2", got)
		}
		if s := b.sync(); s.FirstSyncedAt != nil || s.Total != 3 {
			t.Errorf("while reading: %+v", s)
		}
		close(slow)
		b.pass(3 * time.Second)
		if s := b.sync(); s.FirstSyncedAt == nil {
			t.Error("the first sync is not over")
		}
		for _, e := range b.events("") {
			if e.typ != events.JobPublished || e.data.Origin != events.OriginSeed || e.data.Version != 1 {
				t.Errorf("event %+v", e)
			}
			if got := e.data.Job.Locations; len(got) != 1 || got[0].ID != "loc" {
				t.Errorf("locations %+v: they must be known before the postings", got)
			}
		}
		calls := b.called()
		if want := []string{"location.list", "department.list", "board.list", "jobPosting.list"}; !slices.Equal(calls[:4], want) {
			t.Errorf("calls began with %v, want %v", calls[:4], want)
		}
		if calls[len(calls)-1] != "job.list" || len(calls) != 8 {
			t.Errorf("calls %v", calls)
		}
		if b.bus.wakes == 0 {
			t.Error("the relay was not woken")
		}
	})
}

func TestUnchangedPollAppliesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ids := make([]string, 50)
		for i := range ids {
			ids[i] = fmt.Sprintf("p%02d", i)
		}
		b := synced(t, ids...)
		before := b.appliedUnits()
		b.pollNow()
		if got := b.appliedUnits(); got != before {
			t.Errorf("%d units applied by a poll of unchanged data", got-before)
		}
		if calls := b.called(); len(calls) != 5 {
			t.Errorf("calls %v, want one a kind", calls)
		}
		if b.count("polls_total", "ok") != 2 {
			t.Error("no second poll")
		}
	})
}

func TestPollFindsWhatNoWebhookTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b", "c")
		b.pass(time.Minute)
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Another title"})
		b.put(ashby.KindPosting, "b", map[string]any{"status": "Draft"})
		b.publish("d")
		b.pollNow()
		for _, want := range []struct {
			id  string
			typ events.Type
		}{{"a", events.JobUpdated}, {"b", events.JobClosed}, {"d", events.JobPublished}} {
			log := b.events(want.id)
			last := log[len(log)-1]
			if last.typ != want.typ || last.data.Origin != events.OriginPoll {
				t.Errorf("posting %s: %s from %s, want %s", want.id, last.typ, last.data.Origin, want.typ)
			}
		}
		if r := b.events("b")[1].data.Reason; r == nil || *r != events.ReasonUnpublished {
			t.Errorf("reason %v", r)
		}
		if at := b.events("a")[1].data.ChangedAt; time.Since(at) > time.Minute {
			t.Errorf("changed at %v, want the posting's own time", at)
		}
		if len(b.events("c")) != 1 {
			t.Error("the unchanged posting made an event")
		}
	})
}

func TestPollIsRepeatedAfterItsInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.pass(3 * time.Hour)
		if got := b.count("polls_total", "ok"); got < 3 || got > 5 {
			t.Errorf("%v polls in three hours", got)
		}
	})
}

func TestPollHintsShareOnePoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		gate := make(chan struct{})
		b.setHold(func(_ context.Context, method, _ string) {
			if method == "jobPosting.list" {
				<-gate
			}
		})
		for range 10 {
			_ = b.bus.PublishHint(t.Context(), mirror.Hint{Connection: conn, Kind: mirror.HintPoll})
			synctest.Wait()
		}
		close(gate)
		b.pass(time.Second)
		if got := b.count("polls_total", "ok"); got != 3 {
			t.Errorf("%v polls, want the first, the one under way, and one for all that came meanwhile", got)
		}
		if b.bus.acks != 11 {
			t.Errorf("%d of 11 hints acknowledged", b.bus.acks)
		}
	})
}

func TestPollAnswersTheInboxOfTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.webhook(mirrorPoll, "")
		b.pass(time.Second)
		if b.openRows() != 0 {
			t.Error("the webhook is not answered")
		}
		b.deliver(mirror.Hint{Connection: conn, Kind: mirror.HintPoll}) // its hint is lost
		b.pass(10 * time.Second)
		if b.openRows() != 0 {
			t.Error("the lost webhook is not answered")
		}
	})
}

// TestPollAnswersNoWebhookOfAnObject: the change does not show in the listing, so that the poll does not read it.
func TestPollAnswersNoWebhookOfAnObject(t *testing.T) {
	for name, list := range map[string]func(l *ashby.PostingList){
		"unchanged row": nil,
		"bad row": func(l *ashby.PostingList) {
			l.Bad, l.Records = []ashby.BadRow{{ID: "a", Err: ashby.ErrMalformed}}, l.Records[1:]
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := synced(t, "a", "b")
				b.vendor.mu.Lock()
				b.docs[ashby.KindPosting]["a"].fields["descriptionHtml"] = "<p>Rewritten</p>"
				b.vendor.mu.Unlock()
				b.setList(list)
				b.deliver(mirror.Hint{Connection: conn, Kind: "posting", ID: "a"}) // its hint is lost
				b.pollNow()
				if b.openRows() != 1 {
					t.Fatal("a poll that did not read the posting answered its webhook")
				}
				b.pass(10 * time.Second)
				if log := b.events("a"); len(log) != 2 || log[1].data.Job.DescriptionHTML != "<p>Rewritten</p>" {
					t.Errorf("events %+v", log)
				}
				if b.openRows() != 0 {
					t.Error("the webhook stays unanswered")
				}
			})
		})
	}
}

// mirrorPoll lets a webhook ask for a poll.
const mirrorPoll = ashby.Kind(mirror.HintPoll)

func TestPagesAndTokens(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		b.page = 2
		b.publish("a", "b", "c", "d", "e")
		b.connect(conn, "key")
		b.pass(5 * time.Second)
		if got := count(b.called(), "job.list"); got != 3 {
			t.Errorf("%d pages of jobs, want 3", got)
		}
		b.pass(time.Minute)
		b.put(ashby.KindJob, "job-b", map[string]any{"status": "Draft"})
		b.pollNow()
		if got := count(b.called(), "job.list"); got != 1 {
			t.Errorf("%d pages of jobs with a token, want 1", got)
		}
		if l := b.state("b"); l.State != mirror.StateClosed || l.Reason != events.ReasonDraft {
			t.Errorf("posting of a draft job: %s %s", l.State, l.Reason)
		}
		restarts := 0
		b.setFault(func(method, _ string) error {
			if method == "job.list" && restarts == 0 {
				restarts++
				return &ashby.APIError{Method: method, Reason: ashby.ErrRestart}
			}
			return nil
		})
		b.pollNow()
		if got := count(b.called(), "job.list"); got != 4 {
			t.Errorf("%d calls, want the refused one and 3 pages of a full pass", got)
		}
		if b.count("polls_total", "ok") != 3 {
			t.Error("a restart failed the poll")
		}
	})
}

func TestCursorLoopEndsThePoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t, func(o *Options) {
			plain := o.NewClient
			o.NewClient = func(key ashby.Secret) (AshbyClient, error) {
				c, err := plain(key)
				return looping{c}, err
			}
		})
		b.publish("a")
		b.connect(conn, "key")
		b.pass(3 * time.Second)
		if got := b.sync().LastError; !strings.Contains(got, "repeat") {
			t.Errorf("last error %q", got)
		}
		b.with(conn, func(a *account) {
			if len(a.tokens) != 0 {
				t.Errorf("tokens %v of a pass that did not end", a.tokens)
			}
		})
	})
}

// looping gives pages that lead in a circle.
type looping struct{ AshbyClient }

func (l looping) Page(context.Context, ashby.Kind, ashby.PageRequest) (ashby.Page, error) {
	return ashby.Page{Next: "again", SentAt: time.Now()}, nil
}

func TestKindsWithoutPermissionAreLeftOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		b.setFault(func(method, id string) error {
			if method == "location.list" || method == "department.list" {
				return failing("", ashby.ErrMissingPermission)(method, id)
			}
			return nil
		})
		b.publish("a")
		b.connect(conn, "key")
		b.pass(3 * time.Second)
		if len(b.events("a")) != 1 || b.sync().FirstSyncedAt == nil {
			t.Error("a poll needs no permission on locations and departments")
		}
	})
}

func TestRenamesReachThePostings(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b")
		b.pass(time.Minute)
		b.put(ashby.KindLocation, "loc", map[string]any{"name": "Berlin", "address": map[string]any{
			"postalAddress": map[string]any{"addressLocality": "Berlin", "addressCountry": "Germany"},
		}})
		b.pollNow()
		if got := len(b.events("")); got != 4 {
			t.Fatalf("%d events, want an update of each posting", got)
		}
		if got := b.events("a")[1].data.Job.Locations[0].Address.Country; got != "Germany" {
			t.Errorf("country %q", got)
		}
		b.with(conn, func(a *account) { a.c.EmployerName = "Renamed" })
		b.pollNow()
		if got := b.events("b"); len(got) != 3 || got[2].data.Job.EmployerName != "Renamed" {
			t.Errorf("events of b: %+v", got)
		}
		before := b.appliedUnits()
		b.pollNow()
		if got := b.appliedUnits(); got != before {
			t.Errorf("%d units applied by the poll after", got-before)
		}
	})
}

func TestManyPostingsOfOneLocationAreAppliedInChunks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ids := make([]string, 2*chunk+10)
		for i := range ids {
			ids[i] = fmt.Sprintf("p%03d", i)
		}
		b := synced(t, ids...)
		b.put(ashby.KindLocation, "loc", map[string]any{"address": map[string]any{
			"postalAddress": map[string]any{"addressCountry": "Germany"},
		}})
		from := b.appliedUnits()
		b.pollNow()
		b.world.mu.Lock()
		units := slices.DeleteFunc(slices.Clone(b.applies[from:]), func(u mirror.Unit) bool {
			return len(u.Listings) == 0 // empty deltas of other kinds, with their new tokens
		})
		b.world.mu.Unlock()
		if len(units) != 3 || len(units[0].Upserts)+len(units[1].Upserts) != 0 || len(units[2].Upserts) != 1 ||
			units[2].Token == nil {
			t.Errorf("%d units; the location and its token belong into the last of three", len(units))
		}
		if got := len(b.events("")); got != 2*len(ids) {
			t.Errorf("%d events", got)
		}
	})
}

// count counts the calls of a method, whatever they asked for.
func count(calls []string, method string) (n int) {
	for _, c := range calls {
		if c == method || strings.HasPrefix(c, method+" ") {
			n++
		}
	}
	return n
}
