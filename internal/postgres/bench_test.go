package postgres_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

// laden is a database with one connection whose lease is held.
func laden(b *testing.B) (*postgres.DB, mirror.Lease) {
	b.Helper()
	db, err := postgres.Open(b.Context(), postgres.Options{
		URL: localtest.Database(b), RecordEvents: true, AllowUnsafeDurability: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := db.Gateway().Create(b.Context(), connection("acme")); err != nil {
		b.Fatal(err)
	}
	leases, err := db.Syncer().Renew(b.Context(), "a", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	return db, leases[mirror.Part("acme")]
}

// sealedPage is a page of a full pass: 100 sealed records, each with stale children.
func sealedPage(l mirror.Lease, page, size int) mirror.Unit {
	u := mirror.Unit{Lease: l, Connection: "acme"}
	p := mirror.Pass{PassKey: mirror.PassKey{Kind: "candidate"}, StartedAt: time.Unix(1_800_000_000, 0), Pages: page + 1}
	u.Pass = &mirror.PassStep{Pass: p}
	for i := range 100 {
		r := mirror.Record{Kind: "candidate", ID: fmt.Sprintf("c%07d", page*100+i), Sealed: make([]byte, size)}
		_, _ = rand.Read(r.Sealed)
		r.Hash, r.FetchedAt = r.Sealed[:32], time.Unix(1_700_000_000, 0)
		u.Upserts = append(u.Upserts, r)
		u.StaleParents = append(u.StaleParents, mirror.ParentKey{Kind: "candidate_note", Parent: r.ID})
		u.Pass.Seen = append(u.Pass.Seen, r.ID)
	}
	return u
}

func BenchmarkApplySealedPage(b *testing.B) {
	for _, size := range []int{1000, 2000, 4000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			db, l := laden(b)
			page := 0
			for b.Loop() {
				b.StopTimer()
				u := sealedPage(l, page, size)
				page++
				b.StartTimer()
				if _, err := db.Syncer().Apply(b.Context(), u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a pass of 1,000 pages lacked, of 100,000 records, without statistics of the tables.
func BenchmarkUnseen(b *testing.B) {
	db, l := laden(b)
	var p mirror.Pass
	for page := range 1000 {
		u := sealedPage(l, page, 100)
		if p = u.Pass.Pass; page == 500 {
			u.Pass.Seen = nil
		}
		if _, err := db.Syncer().Apply(b.Context(), u); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		ids, err := db.Syncer().Unseen(b.Context(), "acme", p, 1000)
		if err != nil || len(ids) != 100 {
			b.Fatal(len(ids), err)
		}
	}
}

func BenchmarkHeadsOf(b *testing.B) {
	db, l := laden(b)
	var ids []string
	for page := range 100 {
		u := sealedPage(l, page, 100)
		ids = append(ids, u.Upserts[page].ID)
		if _, err := db.Syncer().Apply(b.Context(), u); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if heads, err := db.Syncer().HeadsOf(b.Context(), "acme", "candidate", ids); err != nil || len(heads) != 100 {
			b.Fatal(len(heads), err)
		}
	}
}
