package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// hold is a hold of the connection that waits.
func hold(id, connection, state string, opened time.Time) mirror.HeldView {
	return mirror.HeldView{
		Hold: mirror.Hold{
			ID: id, State: state, Postings: []string{"p2", "p1", "p3"}, PublicCount: 8, CreatedAt: opened.Add(time.Minute),
			Reason: "4 of 8 public jobs vanished from Ashby's listing at once",
		},
		Connection: connection, EmployerRef: "acme", EmployerName: "Acme", OpenedAt: opened,
		Jobs: map[string]string{"p1": "Baker", "p2": "Cook"},
	}
}

func TestHoldsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	opened := b.clock.now()
	ended := hold("h1", "c1", mirror.HoldEnded, opened)
	ended.Outcome, ended.EndedAt = mirror.HoldRecovered, &opened
	b.store.held = []mirror.HeldView{
		hold("h4", "c2", mirror.HoldOpen, opened), hold("h3", "c1", mirror.HoldApproved, opened),
		hold("h2", "c1", mirror.HoldRejected, opened), ended,
	}
	list := func(query string) (ids string, page holdsJSON) {
		t.Helper()
		b.call(request{method: "GET", path: "/v1/holds" + query}).into(t, &page)
		for _, h := range page.Holds {
			ids += " " + h.ID
		}
		return ids, page
	}
	for query, want := range map[string]string{
		"": " h4 h3 h2", "?ended=true": " h4 h3 h2 h1", "?ended=false&connection=c1": " h3 h2", "?connection=c3": "",
	} {
		if got, _ := list(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	first, page := list("?limit=2&ended=true")
	second, _ := list("?limit=2&ended=true&cursor=" + *page.NextCursor)
	if first+second != " h4 h3 h2 h1" {
		t.Errorf("paged: %s, %s", first, second)
	}
	for _, bad := range []string{"?ended=yes", "?connection=%2F", "?cursor=1!", "?state=open"} {
		b.call(request{method: "GET", path: "/v1/holds" + bad}).problem(t, 400, "invalid-request")
	}
}

func TestHoldTellsAllThatADecisionNeeds(t *testing.T) {
	t.Parallel()
	opened := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	h := showHold(hold("h1", "c1", mirror.HoldOpen, opened))
	var titles []string
	for _, p := range h.Postings {
		title := "none"
		if p.Title != nil {
			title = *p.Title
		}
		titles = append(titles, p.ID+"="+title)
	}
	if fmt.Sprint(titles) != "[p1=Baker p2=Cook p3=none]" {
		t.Errorf("postings %v", titles)
	}
	if !strings.Contains(h.Next, "2026-11-23T10:06:00Z") {
		t.Errorf("it does not say when: %s", h.Next)
	}
	said := map[string]bool{}
	for _, state := range []string{mirror.HoldOpen, mirror.HoldApproved, mirror.HoldRejected, mirror.HoldEnded} {
		v := hold("h1", "c1", state, opened)
		for _, v.Outcome = range []string{"", mirror.HoldRecovered, mirror.HoldConfirmed, mirror.HoldDisconnected} {
			if (v.Outcome != "") != (state == mirror.HoldEnded) {
				continue
			}
			h := showHold(v)
			if h.Next == "" || said[h.Next] || (h.Decisions == nil) != (state == mirror.HoldEnded) {
				t.Errorf("%s %s: %+v", state, v.Outcome, h)
			}
			said[h.Next] = true
		}
	}
}

func TestHoldIsDecided(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	b.store.held = []mirror.HeldView{
		hold("h1", e.ID, mirror.HoldOpen, b.clock.now()), hold("h2", e.ID, mirror.HoldEnded, b.clock.now()),
	}
	decide := func(what string, body any) holdJSON {
		t.Helper()
		a := b.call(request{method: "POST", path: "/v1/holds/h1/" + what, body: body})
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		var h holdJSON
		a.into(t, &h)
		return h
	}
	if h := decide("approve", map[string]any{"note": " Paris\nclosed "}); h.State != mirror.HoldApproved ||
		h.Note != "Paris\nclosed" || h.DecidedAt == nil {
		t.Errorf("%+v", h)
	}
	eventually(t, "a hint to poll", func() bool {
		return slices.Contains(b.bus.published(), mirror.Hint{Connection: e.ID, Kind: mirror.HintPoll})
	})
	// A decision may be changed, and needs no note.
	if h := decide("reject", nil); h.State != mirror.HoldRejected || h.Note != "" {
		t.Errorf("%+v", h)
	}
	ops := b.token(mirror.RoleOperator)
	b.clock.add(time.Minute)
	var h holdJSON
	b.call(request{
		method: "POST", path: "/v1/holds/h1/approve", header: map[string]string{"Authorization": "Bearer " + ops.Token},
	}).into(t, &h)
	now := b.clock.now()
	if want := []decisionMadeJSON{
		{mirror.HoldApproved, "Paris\nclosed", "environment", now.Add(-time.Minute)},
		{mirror.HoldRejected, "", "environment", now.Add(-time.Minute)},
		{mirror.HoldApproved, "", "a operator (" + ops.ID + ")", now},
	}; !slices.Equal(h.DecisionsMade, want) {
		t.Errorf("decisions %+v, want %+v", h.DecisionsMade, want)
	}
	for _, body := range []any{
		map[string]any{"why": "x"},
		map[string]any{"note": strings.Repeat("x", 1001)},
		map[string]any{"note": "a\x00"},
		[]byte("[]"),
		map[string]any{"note": 1},
	} {
		b.call(request{method: "POST", path: "/v1/holds/h1/approve", body: body}).problem(t, 400, "invalid-request")
	}
	b.call(request{method: "POST", path: "/v1/holds/h2/approve"}).problem(t, 409, "hold-ended")
	b.call(request{method: "POST", path: "/v1/holds/none/reject"}).problem(t, 404, "not-found")
	b.call(request{method: "POST", path: "/v1/holds/%20/reject"}).problem(t, 404, "not-found")
}
