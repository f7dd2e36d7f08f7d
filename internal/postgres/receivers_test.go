package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// receive makes an endpoint.
func (b *bundle) receive(id string, employers ...string) {
	b.Helper()
	b.must(b.g.CreateReceiver(b.Context(), mirror.Receiver{
		ID: id, URL: "https://" + id + ".example.com", Employers: employers, Secret: []byte("sealed " + id), CreatedAt: time.Now(),
	}))
}

func (b *bundle) receiver(id string) mirror.ReceiverView {
	b.Helper()
	v, err := b.g.Receiver(b.Context(), id)
	b.must(err)
	return v
}

func TestReceiverFromCreationToDeletion(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	for _, employers := range [][]string{{"acme", "nobody"}, {"nobody"}} {
		if err := b.g.CreateReceiver(t.Context(), mirror.Receiver{ID: "ep_x", Employers: employers, Secret: []byte("s")}); !isUnknown(err) {
			t.Errorf("with employers %v: %v", employers, err)
		}
	}
	b.receive("ep_a")
	b.receive("ep_b", "acme")
	if v := b.receiver("ep_a"); v.Employers != nil || v.Status != mirror.ReceiverActive || v.Revision != 1 || v.Health.FailingSince != nil {
		t.Errorf("made %+v", v)
	}
	address, description := "https://new.example.com", "new"
	b.must(b.g.PatchReceiver(t.Context(), "ep_b", mirror.ReceiverPatch{URL: &address, Description: &description}))
	v := b.receiver("ep_b")
	if v.URL != address || v.Description != description || len(v.Employers) != 1 || v.Revision != 2 {
		t.Errorf("changed to %+v", v)
	}
	all := []string(nil)
	b.must(b.g.PatchReceiver(t.Context(), "ep_b", mirror.ReceiverPatch{Employers: &all}))
	wrong := []string{"nobody"}
	if err := b.g.PatchReceiver(t.Context(), "ep_b", mirror.ReceiverPatch{Employers: &wrong}); !isUnknown(err) {
		t.Errorf("an unknown employer: %v", err)
	}
	b.must(b.g.RotateReceiver(t.Context(), "ep_b", []byte("second"), time.Hour))
	v = b.receiver("ep_b")
	if string(v.Secret) != "second" || string(v.Previous) != "sealed ep_b" || v.Employers != nil ||
		time.Until(*v.PreviousUntil) < 50*time.Minute {
		t.Errorf("rotated to %+v", v)
	}
	views, err := b.g.Receivers(t.Context(), "ep_a", 10)
	b.must(err)
	if len(views) != 1 || views[0].ID != "ep_b" {
		t.Errorf("listed %+v", views)
	}
	b.must(b.g.DeleteReceiver(t.Context(), "ep_b"))
	if n := b.count(`SELECT count(*) FROM endpoints WHERE id = 'ep_b' AND secret = '' AND previous IS NULL AND url = ''`); n != 1 {
		t.Error("a deleted endpoint keeps something")
	}
	for name, err := range map[string]error{
		"delete": b.g.DeleteReceiver(t.Context(), "ep_b"), "pause": b.g.PauseReceiver(t.Context(), "ep_b", ""),
		"resume": b.g.ResumeReceiver(t.Context(), "ep_b"), "rotate": b.g.RotateReceiver(t.Context(), "ep_b", nil, 0),
		"patch": b.g.PatchReceiver(t.Context(), "ep_b", mirror.ReceiverPatch{URL: &address}),
	} {
		if !errors.Is(err, mirror.ErrNotFound) {
			t.Errorf("%s after the deletion: %v", name, err)
		}
	}
	if _, err := b.g.Receiver(t.Context(), "ep_b"); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("after the deletion: %v", err)
	}
}

func TestPauseAndResumeBeginAfresh(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.receive("ep_a")
	b.post("acme", "p1", "Engineer")
	b.publishAll()
	p := b.due("ep_a", 10)[0]
	since := time.Now().Add(-time.Hour)
	b.must(b.n.NoteParcels(t.Context(), []mirror.ParcelOutcome{outcome(p, mirror.ParcelPending, time.Hour)}, []mirror.ReceiverChange{{
		ID: "ep_a", Revision: 1, Health: mirror.ReceiverHealth{FailingSince: &since, Failures: 6, RetryAt: &since, LastFailureAt: &since},
		Status: mirror.ReceiverPaused, StatusCode: mirror.PausedFailing, StatusReason: "Nothing was taken.",
	}}))
	v := b.receiver("ep_a")
	if v.Status != mirror.ReceiverPaused || v.StatusCode != mirror.PausedFailing || v.Health.Failures != 6 || v.Waiting != 1 {
		t.Errorf("paused as %+v", v)
	}
	b.post("acme", "p2", "Cook")
	b.publishAll()
	if v := b.receiver("ep_a"); v.Waiting != 1 {
		t.Errorf("a paused endpoint got %d deliveries", v.Waiting)
	}
	if _, err := b.g.Replay(t.Context(), "ep_a", mirror.Replay{Failed: true}); !errors.Is(err, mirror.ErrNotActive) {
		t.Errorf("a replay to a paused one: %v", err)
	}
	b.must(b.g.ResumeReceiver(t.Context(), "ep_a"))
	v = b.receiver("ep_a")
	if v.Status != mirror.ReceiverActive || v.Health.Failures != 0 || v.Health.FailingSince != nil || v.Health.RetryAt != nil || v.StatusReason != "" {
		t.Errorf("resumed as %+v", v)
	}
	if due := b.due("ep_a", 10); len(due) != 1 || due[0].Tries != 0 || due[0].FirstTriedAt != nil {
		t.Errorf("due after the resumption: %+v", due)
	}
	// What the sender saw before does not count any more.
	b.must(b.n.NoteParcels(t.Context(), nil, []mirror.ReceiverChange{{
		ID: "ep_a", Revision: 1, Status: mirror.ReceiverDisabled, StatusCode: mirror.DisabledGone,
	}}))
	if v := b.receiver("ep_a"); v.Status != mirror.ReceiverActive {
		t.Errorf("an old verdict made it %s", v.Status)
	}
	b.must(b.g.PauseReceiver(t.Context(), "ep_a", "Moving house."))
	if v := b.receiver("ep_a"); v.StatusCode != mirror.PausedOnRequest || v.StatusReason != "Moving house." {
		t.Errorf("paused as %+v", v)
	}
}

// Who is not to hear of an employer any more hears nothing more, what waits included.
func TestNarrowerFilterTakesBackWhatWaits(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.receive("ep_a")
	b.post("acme", "p1", "Engineer")
	b.post("beta", "p2", "Cook")
	b.publishAll()
	only := []string{"acme"}
	b.must(b.g.PatchReceiver(t.Context(), "ep_a", mirror.ReceiverPatch{Employers: &only}))
	b.post("beta", "p2", "Chef")
	b.publishAll()
	if diff := cmp.Diff([]string{"p1 v1 pending", "p2 v1 superseded"}, b.states("ep_a")); diff != "" {
		t.Error(diff)
	}
}

func TestMaintainPurgesDeliveries(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.receive("ep_a")
	b.receive("ep_b")
	for _, p := range []string{"p1", "p2", "p3", "p4"} {
		b.post("acme", p, "Engineer")
	}
	b.publishAll()
	age := func(posting, state, days string) {
		b.exec(`
			UPDATE deliveries SET state = $2, finished_at = now() - CAST($3 AS interval)
			WHERE endpoint_id = 'ep_a' AND posting_id = $1`, posting, state, days+" days")
	}
	age("p1", "delivered", "2")
	age("p2", "delivered", "4")
	age("p3", "failed", "4")
	age("p4", "superseded", "15")
	b.must(b.g.DeleteReceiver(t.Context(), "ep_b"))
	b.must(b.g.RotateReceiver(t.Context(), "ep_a", []byte("second"), -time.Minute))
	b.must(b.db.Maintain(t.Context()))
	var left []string
	b.must(b.raw.SelectContext(t.Context(), &left, `SELECT posting_id FROM deliveries ORDER BY posting_id`))
	if diff := cmp.Diff([]string{"p1", "p3"}, left); diff != "" {
		t.Errorf("left over: %s", diff)
	}
	if v := b.receiver("ep_a"); v.Previous != nil || v.PreviousUntil != nil {
		t.Error("a secret that signs no longer is kept")
	}
	// The row of the deleted one stays as long as a relay may be making deliveries that read it before.
	if n := b.count(`SELECT count(*) FROM endpoints`); n != 2 {
		t.Errorf("%d endpoints", n)
	}
	b.exec(`UPDATE endpoints SET status_since = now() - INTERVAL '2 hours' WHERE id = 'ep_b'`)
	b.must(b.db.Maintain(t.Context()))
	if n := b.count(`SELECT count(*) FROM endpoints`); n != 1 {
		t.Errorf("%d endpoints", n)
	}
}

func isUnknown(err error) bool {
	_, ok := errors.AsType[mirror.UnknownConnections](err)
	return ok
}
