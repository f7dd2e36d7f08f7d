package syncer

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// sameList answers every listing of postings with the same rows.
type sameList struct {
	AshbyClient
	list *ashby.PostingList
}

func (s sameList) Postings(ctx context.Context, boards ...string) (ashby.PostingList, error) {
	if s.list.Records == nil {
		var err error
		if *s.list, err = s.AshbyClient.Postings(ctx, boards...); err != nil {
			return *s.list, err
		}
	}
	l := *s.list
	l.SentAt = time.Now()
	return l, nil
}

// BenchmarkUnchangedPoll polls an employer with 10,000 postings that did not change, store and Ashby in memory.
func BenchmarkUnchangedPoll(b *testing.B) {
	w, v := newWorld(), newVendor()
	for i := range 10_000 {
		v.publish(fmt.Sprintf("posting-%05d", i))
	}
	w.connect(conn, "key")
	metrics, err := NewMetrics(prometheus.NewRegistry(), nil)
	if err != nil {
		b.Fatal(err)
	}
	list := &ashby.PostingList{}
	s, err := New(Options{
		Leases: w, Schedule: w, Store: w, Progress: w, Passes: w, Slices: w, Diary: w, Bus: &wire{}, Seal: plainSealer{},
		NewClient: func(key ashby.Secret) (AshbyClient, error) { return sameList{client{v, key.Reveal()}, list}, nil },
		Cleaner:   plainCleaner{}, Owner: "bench", Logger: slog.New(slog.DiscardHandler), Metrics: metrics,
	})
	if err != nil {
		b.Fatal(err)
	}
	leases, err := w.Renew(b.Context(), "bench", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	d := newPartition(s, leases[mirror.Part(conn)], func() {}).enter(conn)
	poll := func() {
		a, err := d.open(b.Context(), &tally{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.poll(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
	poll()
	before := w.appliedUnits()
	b.ReportAllocs()
	for b.Loop() {
		poll()
	}
	if w.appliedUnits() != before {
		b.Error("a poll of unchanged data applied something")
	}
}
