package postgres_test

import (
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestReplicasShareThePartitions(t *testing.T) {
	b := setup(t)
	if len(b.held) != mirror.Partitions {
		t.Fatalf("alone, a holds %d", len(b.held))
	}
	if held := b.renew("b"); len(held) != 0 {
		t.Errorf("b took %d while a held all", len(held))
	}
	a := b.renew("a")
	second := b.renew("b")
	if len(a) != 32 || len(second) != 32 {
		t.Errorf("a holds %d, b %d", len(a), len(second))
	}
	for part, lease := range second {
		if _, both := a[part]; both {
			t.Errorf("both hold %d", part)
		}
		if lease.Epoch != b.held[part].Epoch+1 || lease.Owner != "b" {
			t.Errorf("b took %+v after %+v", lease, b.held[part])
		}
	}
	for part, lease := range b.renew("b") {
		if lease != second[part] {
			t.Errorf("renewing turned %+v into %+v", second[part], lease)
		}
	}
	b.renew("c")
	if a, bs, c := b.renew("a"), b.renew("b"), b.renew("c"); len(a) != 22 || len(bs) != 22 || len(c) != 20 {
		t.Errorf("three hold %d, %d and %d", len(a), len(bs), len(c))
	}
}

func TestPartitionsOfADeadReplicaAreTakenOver(t *testing.T) {
	b := setup(t)
	b.exec(`UPDATE partitions SET expires_at = clock_timestamp() - INTERVAL '1 second'`)
	b.exec(`UPDATE replicas SET expires_at = clock_timestamp() - INTERVAL '1 second'`)
	held := b.renew("b")
	if len(held) != mirror.Partitions {
		t.Fatalf("b took %d", len(held))
	}
	for part, lease := range held {
		if lease.Epoch != b.held[part].Epoch+1 {
			t.Errorf("partition %d went from epoch %d to %d", part, b.held[part].Epoch, lease.Epoch)
		}
	}
	if again := b.renew("a"); len(again) != 0 {
		t.Errorf("a, back from the dead, holds %d", len(again))
	}
}

func TestReleaseFreesAtOnce(t *testing.T) {
	b := setup(t)
	vacant := func(want bool) {
		t.Helper()
		if got, err := b.s.Vacant(t.Context()); err != nil || got != want {
			t.Errorf("vacant: %t, %v", got, err)
		}
	}
	vacant(false)
	b.must(b.s.Release(t.Context(), "a"))
	vacant(true)
	if held := b.renew("b"); len(held) != mirror.Partitions {
		t.Errorf("b took %d", len(held))
	}
	vacant(false)
	b.must(b.s.Release(t.Context(), "a"))
	if held := b.renew("b"); len(held) != mirror.Partitions {
		t.Errorf("the release of another cost b partitions: %d left", len(held))
	}
}

func TestRelayLease(t *testing.T) {
	b := setup(t)
	acquire := func(owner string, wantEpoch int64, wantHeld bool) {
		t.Helper()
		epoch, held, err := b.n.Acquire(t.Context(), "relay", owner, time.Minute)
		b.must(err)
		if epoch != wantEpoch || held != wantHeld {
			t.Errorf("%s: epoch %d, held %t", owner, epoch, held)
		}
	}
	owned := func(want string) {
		t.Helper()
		if owner, err := b.n.LeaseOwner(t.Context(), "relay"); err != nil || owner != want {
			t.Errorf("it is %q's, not %q's: %v", owner, want, err)
		}
	}
	owned("")
	acquire("a", 1, true)
	owned("a")
	acquire("a", 1, true)
	acquire("b", 0, false)
	b.must(b.n.Release(t.Context(), "relay", "b"))
	acquire("b", 0, false)
	b.exec(`UPDATE leases SET expires_at = clock_timestamp() - INTERVAL '1 second'`)
	owned("")
	acquire("a", 2, true) // its own had expired, so another may have been in between
	b.exec(`UPDATE leases SET expires_at = clock_timestamp() - INTERVAL '1 second'`)
	acquire("b", 3, true)
	acquire("a", 0, false)
	b.must(b.n.Release(t.Context(), "relay", "b"))
	owned("")
	acquire("a", 4, true)
}
