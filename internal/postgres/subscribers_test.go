package postgres_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func subscriberID(n int) string { return "sub_" + strings.Repeat("0", 31) + strconv.Itoa(n) }

func hashOf(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// subscribe stores the nth subscriber.
func (b *bundle) subscribe(n int, employers ...string) mirror.Subscriber {
	b.Helper()
	s := mirror.Subscriber{
		ID: subscriberID(n), Name: "Board", Employers: employers, Generation: 1, Replay: 1,
		Start: mirror.Start{Kind: mirror.StartSnapshot}, CreatedAt: time.Date(2026, 11, 27, 8, 0, 0, 1000, time.UTC),
	}
	b.must(b.g.CreateSubscriber(b.Context(), s, hashOf(byte(n))))
	return s
}

func (b *bundle) subscriber(id string) mirror.Subscriber {
	b.Helper()
	s, err := b.g.Subscriber(b.Context(), id)
	b.must(err)
	return s
}

func TestSubscribersAreKept(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	all, some := b.subscribe(1), b.subscribe(2, "acme", "beta")
	for _, want := range []mirror.Subscriber{all, some} {
		if diff := cmp.Diff(want, b.subscriber(want.ID)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	}
	_, err := b.g.Remove(t.Context(), "beta", mirror.KeepJobs)
	b.must(err)
	b.subscribe(3, "beta") // its jobs may have stayed
	four := some
	four.ID, four.Employers = subscriberID(4), []string{"zeta", "acme", "eta"}
	var unknown mirror.UnknownConnections
	if err := b.g.CreateSubscriber(t.Context(), four, hashOf(4)); !errors.As(err, &unknown) ||
		cmp.Diff(unknown, mirror.UnknownConnections{"eta", "zeta"}) != "" {
		t.Errorf("unknown employers: %v", err)
	}
	page, err := b.g.Subscribers(t.Context(), all.ID, 1)
	if err != nil || len(page) != 1 || page[0].ID != some.ID {
		t.Errorf("a page: %+v, %v", page, err)
	}
	if active, err := b.n.ActiveSubscribers(t.Context()); err != nil || len(active) != 3 {
		t.Errorf("active: %+v, %v", active, err)
	}
	if _, err := b.g.Subscriber(t.Context(), "never"); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("one that never was: %v", err)
	}
	if _, err := b.g.Subscribers(t.Context(), "", 0); err == nil {
		t.Error("a limit of 0 was accepted")
	}
}

func TestOtherEmployersBeginTheConsumerAnew(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	s := b.subscribe(1, "acme")
	s, err := b.g.SubscriberMade(t.Context(), s)
	b.must(err)
	if s.MadeAt == nil {
		t.Fatal("not noted as made")
	}
	name, same, both, nobody := "Another", []string{"acme"}, []string{"acme", "beta"}, []string{"eta"}
	var all []string
	after, err := b.g.PatchSubscriber(t.Context(), s.ID, mirror.SubscriberPatch{Name: &name, Employers: &same})
	b.must(err)
	if after.Name != name || after.Replay != 1 || after.MadeAt == nil {
		t.Errorf("the same employers: %+v", after)
	}
	for i, employers := range []*[]string{&both, &all} {
		after, err = b.g.PatchSubscriber(t.Context(), s.ID, mirror.SubscriberPatch{Employers: employers})
		b.must(err)
		if after.Replay != 2+i || after.MadeAt != nil || after.Start.Kind != mirror.StartSnapshot ||
			cmp.Diff(after.Employers, *employers) != "" {
			t.Errorf("%v: %+v", *employers, after)
		}
	}
	var unknown mirror.UnknownConnections
	if _, err = b.g.PatchSubscriber(t.Context(), s.ID, mirror.SubscriberPatch{Employers: &nobody}); !errors.As(err, &unknown) {
		t.Errorf("an unknown employer: %v", err)
	}
}

func TestAReplayStandsUntilItIsMade(t *testing.T) {
	b := setup(t)
	s := b.subscribe(1)
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i, start := range []mirror.Start{
		{Kind: mirror.StartTime, Time: at}, {Kind: mirror.StartSequence, Sequence: 77}, {Kind: mirror.StartSnapshot},
	} {
		after, err := b.g.ReplaySubscriber(t.Context(), s.ID, start)
		b.must(err)
		if after.Replay != 2+i || cmp.Diff(after.Start, start) != "" {
			t.Errorf("%+v became %+v", start, after)
		}
	}
	// An older state is not noted as made.
	present, err := b.n.SubscriberMade(t.Context(), s)
	b.must(err)
	if present.Replay != 4 || present.MadeAt != nil {
		t.Errorf("an older state was made: %+v", present)
	}
	present, err = b.n.SubscriberMade(t.Context(), present)
	b.must(err)
	made := present.MadeAt
	if made == nil {
		t.Error("the present state was not made")
	}
	if present, err = b.g.SubscriberMade(t.Context(), present); err != nil || !present.MadeAt.Equal(*made) {
		t.Errorf("made twice: %+v, %v", present, err)
	}
}

// A lost consumer is made again under the same replay number, whoever notices it and however often.
func TestALossIsNoReplay(t *testing.T) {
	b := setup(t)
	s := b.subscribe(1)
	asked, err := b.g.ReplaySubscriber(t.Context(), s.ID, mirror.Start{Kind: mirror.StartSequence, Sequence: 77})
	b.must(err)
	made, err := b.g.SubscriberMade(t.Context(), asked)
	b.must(err)
	if present, err := b.n.SubscriberLost(t.Context(), asked); err != nil || present.MadeAt == nil {
		t.Errorf("one that was made meanwhile is lost: %+v, %v", present, err)
	}
	lost, err := b.n.SubscriberLost(t.Context(), made)
	b.must(err)
	if lost.Replay != 2 || lost.MadeAt != nil || lost.Start != (mirror.Start{Kind: mirror.StartSnapshot}) {
		t.Errorf("lost: %+v", lost)
	}
	if late, err := b.g.SubscriberMade(t.Context(), asked); err != nil || late.MadeAt != nil || late.SameConsumer(asked) {
		t.Errorf("made as it was to begin before the loss: %+v, %v", late, err)
	}
	remade, err := b.g.SubscriberMade(t.Context(), lost)
	b.must(err)
	if again, err := b.g.SubscriberLost(t.Context(), made); err != nil || !again.SameState(remade) || again.MadeAt == nil {
		t.Errorf("the same loss twice: %+v, %v", again, err)
	}
}

func TestAllBeginAnew(t *testing.T) {
	b := setup(t)
	one, two, three := b.subscribe(1), b.subscribe(2), b.subscribe(3)
	_, err := b.g.SubscriberMade(t.Context(), one)
	b.must(err)
	for range 8 {
		_, err = b.g.ReplaySubscriber(t.Context(), two.ID, mirror.Start{Kind: mirror.StartSequence, Sequence: 77})
		b.must(err)
	}
	_, err = b.g.RevokeSubscriber(t.Context(), three.ID)
	b.must(err)
	if n, err := b.n.ReplayAll(t.Context(), 5); err != nil || n != 2 {
		t.Errorf("%d begin anew, %v", n, err)
	}
	for id, replay := range map[string]int{one.ID: 6, two.ID: 10, three.ID: 1} {
		if s := b.subscriber(id); s.Replay != replay || s.MadeAt != nil || s.Start.Kind != mirror.StartSnapshot {
			t.Errorf("want replay %d: %+v", replay, s)
		}
	}
}

func TestARotationKeepsAReplayThatWaits(t *testing.T) {
	b := setup(t)
	s := b.subscribe(1)
	if after, err := b.g.RotateSubscriber(t.Context(), s.ID, hashOf(9)); err != nil || after.Start.Kind != mirror.StartSnapshot ||
		after.Generation != 2 || after.Replay != 1 || after.RotatedAt == nil {
		t.Errorf("before it was made: %+v, %v", after, err)
	}
	_, err := b.g.SubscriberMade(t.Context(), b.subscriber(s.ID))
	b.must(err)
	after, err := b.g.RotateSubscriber(t.Context(), s.ID, hashOf(10))
	if err != nil || after.Start.Kind != mirror.StartPrevious || after.Generation != 3 || after.MadeAt != nil {
		t.Errorf("after it was made: %+v, %v", after, err)
	}
	if after, err = b.g.RotateSubscriber(t.Context(), s.ID, hashOf(11)); err != nil || after.Start.Kind != mirror.StartPrevious {
		t.Errorf("twice: %+v, %v", after, err)
	}
}

func TestWhoMayLogIn(t *testing.T) {
	b := setup(t)
	s := b.subscribe(1)
	credential := func(generation int, want []byte) {
		t.Helper()
		got, err := b.g.Credential(t.Context(), s.ID, generation)
		if want == nil && !errors.Is(err, mirror.ErrNotFound) || want != nil && err != nil || !bytes.Equal(got, want) {
			t.Errorf("generation %d: %x, %v", generation, got, err)
		}
	}
	credential(1, hashOf(1))
	credential(2, nil)
	_, err := b.g.RotateSubscriber(t.Context(), s.ID, hashOf(9))
	b.must(err)
	credential(1, nil)
	credential(2, hashOf(9))
	revoked, err := b.g.RevokeSubscriber(t.Context(), s.ID)
	b.must(err)
	if revoked.RevokedAt == nil {
		t.Errorf("revoked: %+v", revoked)
	}
	credential(2, nil)

	name := "x"
	_, patchErr := b.g.PatchSubscriber(t.Context(), s.ID, mirror.SubscriberPatch{Name: &name})
	_, rotateErr := b.g.RotateSubscriber(t.Context(), s.ID, hashOf(1))
	_, replayErr := b.g.ReplaySubscriber(t.Context(), s.ID, mirror.Start{Kind: mirror.StartSnapshot})
	_, revokeErr := b.g.RevokeSubscriber(t.Context(), s.ID)
	_, lostErr := b.n.SubscriberLost(t.Context(), s)
	for i, err := range []error{patchErr, rotateErr, replayErr, revokeErr, lostErr} {
		if !errors.Is(err, mirror.ErrRevoked) {
			t.Errorf("change %d of a revoked one: %v", i, err)
		}
	}
	if made, err := b.n.SubscriberMade(t.Context(), s); err != nil || made.MadeAt != nil {
		t.Errorf("a revoked one was made: %+v, %v", made, err)
	}
	if page, err := b.g.Subscribers(t.Context(), "", 10); err != nil || len(page) != 0 {
		t.Errorf("listed: %+v, %v", page, err)
	}
	if _, err := b.g.RotateSubscriber(t.Context(), "never", hashOf(1)); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("one that never was: %v", err)
	}
}
