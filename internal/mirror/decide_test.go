package mirror_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
	"github.com/bebitcoiner/ashbridge/schema/events/eventstest"
)

var observed = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func desired(title string) mirror.Desired {
	j := events.Job{
		ID: "p", Connection: "c", Title: title, DepartmentPath: []string{}, Locations: []events.Location{},
		JSONLD: json.RawMessage(`{"@context":"https://schema.org","@type":"JobPosting","title":"x"}`),
	}
	return mirror.Desired{Posting: "p", Job: &j, ObservedAt: observed, VerifiedAt: observed, VerifiedBy: events.ProofInfo, Translator: "1"}
}

func gone(reason events.Reason) mirror.Desired {
	return mirror.Desired{Posting: "p", Reason: reason, ObservedAt: observed, VerifiedAt: observed, VerifiedBy: events.ProofList}
}

// decide fails the test on an error.
func decide(t *testing.T, current *mirror.Listing, want mirror.Desired) (mirror.Listing, events.Type, *events.JobData) {
	t.Helper()
	next, typ, data, err := mirror.Decide(current, want, events.OriginPoll)
	if err != nil {
		t.Fatal(err)
	}
	return next, typ, data
}

func TestDecideLife(t *testing.T) {
	t.Parallel()
	first, typ, data := decide(t, nil, desired("A"))
	if typ != events.JobPublished || data.Version != 1 || data.Reason != nil || data.Changed == nil || len(data.Changed) != 0 {
		t.Fatalf("published: %s %+v", typ, data)
	}
	if data.Origin != events.OriginPoll || !data.ChangedAt.Equal(observed) || !data.ObservedAt.Equal(observed) {
		t.Errorf("published: origin and times: %+v", data)
	}

	want := desired("B")
	want.ChangedAt = observed.Add(-time.Minute).In(time.FixedZone("", 3600))
	second, typ, data := decide(t, &first, want)
	if typ != events.JobUpdated || data.Version != 2 || cmp.Diff([]string{"title"}, data.Changed) != "" {
		t.Fatalf("updated: %s %+v", typ, data)
	}
	if data.ChangedAt != observed.Add(-time.Minute) {
		t.Errorf("updated: changed at %v", data.ChangedAt)
	}

	third, typ, data := decide(t, &second, gone(events.ReasonUnlisted))
	if typ != events.JobClosed || data.Version != 3 || *data.Reason != events.ReasonUnlisted || data.Job.Title != "B" {
		t.Fatalf("closed: %s %+v", typ, data)
	}
	if third.State != mirror.StateClosed || third.Reason != events.ReasonUnlisted || third.Translator != "1" {
		t.Errorf("closed listing: %+v", third)
	}

	fourth, typ, data := decide(t, &third, desired("B"))
	if typ != events.JobPublished || data.Version != 4 || len(data.Changed) != 0 || fourth.Reason != "" {
		t.Fatalf("published again: %s %+v %+v", typ, data, fourth)
	}
}

// What is made of the mirror is proven as of the latest answer on the posting that is known, be it told with the posting or
// by the listing; anything else as of its own.
func TestDecideProof(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	before, _, _ := decide(t, nil, desired("A"))
	for _, tt := range []struct {
		name string
		by   events.Proof
		at   time.Time
		want time.Time
	}{
		{"an answer on it", events.ProofInfo, observed.Add(minute), observed.Add(minute)},
		{"a clock that was set back", events.ProofInfo, observed.Add(-minute), observed.Add(-minute)},
		{"the mirror, older than the listing", events.ProofMirror, observed.Add(-minute), observed},
		{"the mirror, newer than the listing", events.ProofMirror, observed.Add(minute), observed.Add(minute)},
		{"a person", events.ProofOperator, observed.Add(minute), observed.Add(minute)},
	} {
		for state, want := range map[string]mirror.Desired{"open": desired("B"), "closed": gone(events.ReasonDraft)} {
			want.VerifiedAt, want.VerifiedBy = tt.at.In(time.FixedZone("", 3600)), tt.by
			next, _, data := decide(t, &before, want)
			if data.VerifiedAt != tt.want || data.VerifiedBy != tt.by || next.VerifiedAt != tt.want {
				t.Errorf("%s, %s: %v by %q, listing %v", tt.name, state, data.VerifiedAt, data.VerifiedBy, next.VerifiedAt)
			}
		}
	}
}

func TestDecideNothing(t *testing.T) {
	t.Parallel()
	open, _, _ := decide(t, nil, desired("A"))
	closed, _, _ := decide(t, &open, gone(events.ReasonDeleted))
	retranslated := desired("A")
	retranslated.Translator = "2"
	moved := open
	moved.Translator = "2"
	tests := []struct {
		name    string
		current *mirror.Listing
		want    mirror.Desired
		next    mirror.Listing
	}{
		{"never public", nil, gone(events.ReasonUnlisted), mirror.Listing{}},
		{"still closed, for another reason", &closed, gone(events.ReasonUnlisted), closed},
		{"still the same", &open, desired("A"), open},
		{"another translator, the same job", &open, retranslated, moved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			next, typ, data := decide(t, tt.current, tt.want)
			if data != nil || typ != "" {
				t.Errorf("event %s %+v", typ, data)
			}
			if diff := cmp.Diff(tt.next, next); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideRefuses(t *testing.T) {
	t.Parallel()
	open, _, _ := decide(t, nil, desired("A"))
	broken := open
	broken.Job = json.RawMessage("{")
	other := desired("A")
	other.Posting = "q"
	otherJob := desired("A")
	otherJob.Job.ID = "q"
	unproven, undated := gone(events.ReasonDeleted), desired("B")
	unproven.VerifiedBy, undated.VerifiedAt = "", time.Time{}
	tests := []struct {
		name    string
		current *mirror.Listing
		want    mirror.Desired
	}{
		{"closing without a reason", &open, gone("")},
		{"closing an unreadable job", &broken, gone(events.ReasonDeleted)},
		{"another posting's listing", &open, other},
		{"another posting's job", nil, otherJob},
		{"without saying by what it is proven", &open, unproven},
		{"without saying as of when it is proven", &open, undated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, _, data, err := mirror.Decide(tt.current, tt.want, events.OriginPoll); err == nil || data != nil {
				t.Errorf("no error; event %+v", data)
			}
		})
	}
}

// Whatever happens to a posting: versions rise by one, there is an event exactly when hash or state changed, every event
// keeps the contract, and folding the events yields the listing.
func TestDecideFolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var listing *mirror.Listing
		var folded struct {
			version int64
			state   string
			job     json.RawMessage
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			want := drawDesired(t)
			next, typ, data, err := mirror.Decide(listing, want, events.OriginWebhook)
			if err != nil {
				t.Fatal(err)
			}
			if moves := stateOf(listing) != next.State || listing != nil && !bytes.Equal(listing.Hash, next.Hash); moves != (data != nil) {
				t.Fatalf("state or hash changed: %v, event: %v", moves, data != nil)
			}
			if data != nil {
				if data.Version != folded.version+1 || next.Version != data.Version {
					t.Fatalf("version %d after %d, listing %d", data.Version, folded.version, next.Version)
				}
				requireValid(t, typ, data)
				folded.version, folded.state = data.Version, mirror.StateOpen
				if typ == events.JobClosed {
					folded.state = mirror.StateClosed
				}
				folded.job, _ = json.Marshal(data.Job)
			}
			if next.Version == 0 {
				continue // nothing to store
			}
			if next.Version != folded.version || next.State != folded.state || !bytes.Equal(next.Job, folded.job) {
				t.Fatalf("listing %+v, folded %+v", next, folded)
			}
			if !bytes.Equal(next.Hash, mirror.Hash(next.Job)) {
				t.Fatal("hash is not of the job")
			}
			listing = &next
		}
	})
}

func stateOf(l *mirror.Listing) string {
	if l == nil {
		return ""
	}
	return l.State
}

func drawDesired(t *rapid.T) mirror.Desired {
	if rapid.IntRange(0, 3).Draw(t, "public") == 0 {
		return gone(rapid.SampledFrom([]events.Reason{events.ReasonDeleted, events.ReasonUnlisted}).Draw(t, "reason"))
	}
	d := desired(rapid.SampledFrom([]string{"A", "B & <C>"}).Draw(t, "title"))
	d.Translator = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "translator")
	if rapid.Bool().Draw(t, "has pay") {
		low := rapid.SampledFrom([]json.Number{"1", "1.0", "72000.1"}).Draw(t, "low")
		d.Job.Pay = &events.Pay{Summary: "x", Tiers: []events.PayTier{{Components: []events.PayComponent{{Min: &low}}}}}
	}
	if rapid.Bool().Draw(t, "has time") {
		at := observed.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "ms")) * time.Millisecond)
		d.Job.UpdatedAt = &at
	}
	return d
}

// requireValid checks the event against the contract, as a message.
func requireValid(t rapid.TB, typ events.Type, data *events.JobData) {
	t.Helper()
	raw, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	message, err := json.Marshal(events.Event{
		SpecVersion: events.SpecVersion, ID: "0198c0de-1234-7abc-8def-0123456789ab", Source: "/connections/c", Type: typ,
		Subject: "p", Time: observed, DataContentType: "application/json", Data: raw,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := eventstest.Check(message); err != nil {
		t.Fatalf("%v\n%s", err, message)
	}
}

// A job that an older release stored closes with the fields of today in listing and event alike.
func TestDecideClosesOlderJobs(t *testing.T) {
	t.Parallel()
	open, _, _ := decide(t, nil, desired("A"))
	open.Job = json.RawMessage(`{"id":"p","title":"A","json_ld":{},"retired_field":1}`)
	open.Hash = mirror.Hash(open.Job)
	closed, _, data := decide(t, &open, gone(events.ReasonDeleted))
	raw, err := json.Marshal(data.Job)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(closed.Job, raw) || !bytes.Equal(closed.Hash, mirror.Hash(raw)) {
		t.Errorf("listing %s\nevent %s", closed.Job, raw)
	}
}
