package syncer

import (
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Every event says as of when the posting's own state is proven, and by what: its own answer, the listing that lacks it, or
// what we had of it already.
func TestEventsSayWhatProvedThem(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *bundle)
		typ    events.Type
		by     events.Proof
	}{
		"a webhook of the posting": {func(b *bundle) {
			b.put(ashby.KindPosting, "a", map[string]any{"title": "Other"})
			b.webhook(ashby.KindPosting, "a")
		}, events.JobUpdated, events.ProofInfo},
		"a poll that lists it as changed": {func(b *bundle) {
			b.put(ashby.KindPosting, "a", map[string]any{"title": "Other"})
			b.pollNow()
		}, events.JobUpdated, events.ProofInfo},
		"a webhook of what is gone": {func(b *bundle) {
			b.remove(ashby.KindPosting, "a")
			b.webhook(ashby.KindPosting, "a")
		}, events.JobClosed, events.ProofList},
		"a poll that lacks what is gone": {func(b *bundle) {
			b.remove(ashby.KindPosting, "a")
			b.pollNow()
		}, events.JobClosed, events.ProofInfo},
		"a webhook of its job": {func(b *bundle) {
			b.put(ashby.KindJob, "job-a", map[string]any{"confidential": true})
			b.webhook(ashby.KindJob, "job-a")
		}, events.JobClosed, events.ProofMirror},
		"a place with another address": {func(b *bundle) {
			b.put(ashby.KindLocation, "loc", map[string]any{"name": "Berlin", "address": map[string]any{
				"postalAddress": map[string]any{"addressLocality": "Berlin", "addressCountry": "Germany"},
			}})
			b.pollNow()
		}, events.JobUpdated, events.ProofMirror},
		"an employer with another name": {func(b *bundle) {
			b.with(conn, func(a *account) { a.c.EmployerName = "Renamed" })
			b.pollNow()
		}, events.JobUpdated, events.ProofMirror},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := synced(t, "a", "b")
				first := b.events("a")[0].data
				if first.VerifiedBy != events.ProofInfo || !first.VerifiedAt.Equal(first.ObservedAt) {
					t.Errorf("first event as of %v by %q", first.VerifiedAt, first.VerifiedBy)
				}
				b.pass(time.Minute)
				began := time.Now()
				c.change(b)
				b.pass(time.Second)
				log := b.events("a")
				if len(log) != 2 || log[1].typ != c.typ || log[1].data.VerifiedBy != c.by {
					t.Fatalf("events %+v", log)
				}
				got := log[1].data
				if c.by == events.ProofMirror {
					if !got.VerifiedAt.Equal(first.VerifiedAt) || got.ObservedAt.Before(began) {
						t.Errorf("as of %v, observed %v; the posting was read last at %v", got.VerifiedAt, got.ObservedAt, first.VerifiedAt)
					}
				} else if got.VerifiedAt.Before(began) || got.VerifiedAt.After(time.Now()) {
					t.Errorf("as of %v, asked after %v", got.VerifiedAt, began)
				}
			})
		})
	}
}
