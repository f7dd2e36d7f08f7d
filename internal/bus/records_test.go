package bus_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func withRecords(t *testing.T, srv *bustest.Server) *bus.Bus {
	t.Helper()
	return bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: srv.URL(), Records: true}))
}

func recordMsg(t *testing.T, connection, kind, id string, version int64) bus.Msg {
	t.Helper()
	m, err := bus.RecordMsg(connection, kind, id, version)
	if err != nil {
		t.Fatal(err)
	}
	m.Type, m.Data = events.RecordChanged, fmt.Appendf(nil, `{"version":%d}`, version)
	return m
}

func TestRecordsStreamOnlyWhenWanted(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	without := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	if _, err := without.RecordsInfo(t.Context()); !errors.Is(err, bus.ErrNoStream) {
		t.Fatalf("RecordsInfo without the stream: %v", err)
	}
	b := withRecords(t, srv)
	got := streamConfig(t, b, bus.StreamRecords)
	if got.Storage != jetstream.FileStorage || got.MaxMsgsPerSubject != 1 || got.Discard != jetstream.DiscardNew ||
		got.MaxBytes != 4<<30 || !got.AllowAtomicPublish || !got.DenyDelete || got.Retention != jetstream.LimitsPolicy {
		t.Errorf("RECORDS has the shape %+v", got)
	}
	if err := without.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	streamConfig(t, without, bus.StreamRecords) // left alone
}

func TestPublishRecords(t *testing.T) {
	t.Parallel()
	b := withRecords(t, bustest.StartServer(t))
	put := func(expected uint64, msgs ...bus.Msg) uint64 {
		t.Helper()
		last, err := b.PublishRecords(t.Context(), msgs, expected)
		if err != nil {
			t.Fatal(err)
		}
		return last
	}
	var msgs []bus.Msg
	for i := range bus.MaxBatch {
		msgs = append(msgs, recordMsg(t, "c", "job", fmt.Sprint(i), 1))
	}
	last := put(0, msgs...)
	last = put(last, recordMsg(t, "c", "job", "7", 3))
	last = put(last, recordMsg(t, "c", "job", "7", 4), recordMsg(t, "c", "job", "8", 2), recordMsg(t, "d", "offer", "1", 1))
	info, err := b.RecordsInfo(t.Context())
	if err != nil || info.LastSeq != last || info.Messages != bus.MaxBatch+1 || info.Created.IsZero() {
		t.Errorf("RecordsInfo = %+v, %v; want the last state of each of %d records", info, err, bus.MaxBatch+1)
	}
	s, err := b.JetStream().Stream(t.Context(), bus.StreamRecords)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.GetLastMsgForSubject(t.Context(), "records.v1.c.job.7")
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Nats-Msg-Id": "c.job.7.4", events.HeaderVersion: "4", events.HeaderType: "record.changed",
	} {
		if got := raw.Header.Get(header); got != want {
			t.Errorf("header %s is %q, want %q", header, got, want)
		}
	}
	if _, err := b.PublishRecords(t.Context(), []bus.Msg{recordMsg(t, "c", "job", "7", 5)}, last-1); !errors.Is(err, bus.ErrWrongLastSequence) {
		t.Errorf("a publish from before: %v", err)
	}
}

func TestFenceRecords(t *testing.T) {
	t.Parallel()
	b := withRecords(t, bustest.StartServer(t))
	last, err := b.PublishRecords(t.Context(), []bus.Msg{recordMsg(t, "c", "job", "1", 1)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	fenced := last
	for range 3 {
		if fenced, err = b.FenceRecords(t.Context(), fenced); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.FenceRecords(t.Context(), last); !errors.Is(err, bus.ErrWrongLastSequence) {
		t.Errorf("a fence from before: %v", err)
	}
	for _, n := range []int{1, 2} {
		msgs := []bus.Msg{recordMsg(t, "c", "job", "1", 2), recordMsg(t, "c", "job", "2", 1)}[:n]
		if _, err := b.PublishRecords(t.Context(), msgs, last); !errors.Is(err, bus.ErrWrongLastSequence) {
			t.Errorf("%d messages from before the fence: %v", n, err)
		}
	}
	if info, err := b.RecordsInfo(t.Context()); err != nil || info.LastSeq != fenced || info.Messages != 2 {
		t.Errorf("RecordsInfo = %+v, %v; want one record and one fence", info, err)
	}
}

func TestPurgeRecords(t *testing.T) {
	t.Parallel()
	b := withRecords(t, bustest.StartServer(t))
	var msgs []bus.Msg
	for _, connection := range []string{"c", "cc", "d"} {
		for _, kind := range []string{"job", "job_template", "offer"} {
			msgs = append(msgs, recordMsg(t, connection, kind, "1", 1), recordMsg(t, connection, kind, "2", 1))
		}
	}
	last, err := b.PublishRecords(t.Context(), msgs, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		connection, kind string
		left             uint64
	}{{"c", "job", 16}, {"c", "job", 16}, {"c", "", 12}, {"x", "", 12}, {"", "", 0}} {
		if err := b.PurgeRecords(t.Context(), step.connection, step.kind); err != nil {
			t.Fatal(err)
		}
		info, err := b.RecordsInfo(t.Context())
		if err != nil || info.Messages != step.left || info.LastSeq != last {
			t.Errorf("after %+v: %+v, %v", step, info, err)
		}
	}
}

// An id from outside must not be able to reach another subject.
func TestRecordSubjectsAreTokens(t *testing.T) {
	t.Parallel()
	b := withRecords(t, bustest.StartServer(t))
	for _, bad := range []string{"", "a.b", "*", ">", "a b", "é", "a\n", strings.Repeat("x", 129)} {
		for _, parts := range [][3]string{{bad, "job", "1"}, {"c", bad, "1"}, {"c", "job", bad}} {
			if m, err := bus.RecordMsg(parts[0], parts[1], parts[2], 1); !errors.Is(err, bus.ErrNoSubject) {
				t.Errorf("RecordMsg(%q) = %+v, %v", parts, m, err)
			}
		}
		m := bus.Msg{Subject: events.RecordSubject("c", "job", bad)}
		if _, err := b.PublishRecords(t.Context(), []bus.Msg{m}, 0); !errors.Is(err, bus.ErrNoSubject) {
			t.Errorf("PublishRecords to %q: %v", m.Subject, err)
		}
		if bad == "" {
			continue // stands for all
		}
		for _, parts := range [][2]string{{bad, ""}, {"c", bad}} {
			if err := b.PurgeRecords(t.Context(), parts[0], parts[1]); !errors.Is(err, bus.ErrNoSubject) {
				t.Errorf("PurgeRecords(%q): %v", parts, err)
			}
		}
	}
	if _, err := b.PublishRecords(t.Context(), []bus.Msg{msg("jobs.v1.c.1", "x", 1)}, 0); !errors.Is(err, bus.ErrNoSubject) {
		t.Errorf("a job's event on RECORDS: %v", err)
	}
}

// A full stream refuses new records; one that shrinks, and room made by a purge, are taken.
func TestFullRecordsRefuses(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: srv.URL(), Records: true, MaxBytesRecords: 64 << 10}))
	big := func(id string, version int64) bus.Msg {
		m := recordMsg(t, "c", "job", id, version)
		m.Data = []byte(strings.Repeat("x", 10<<10))
		return m
	}
	last, n := uint64(0), 0
	var err error
	for ; err == nil && n < 20; n++ {
		var l uint64
		if l, err = b.PublishRecords(t.Context(), []bus.Msg{big(fmt.Sprint(n), 1)}, last); err == nil {
			last = l
		}
	}
	if err == nil || errors.Is(err, bus.ErrUnknownOutcome) || errors.Is(err, bus.ErrWrongLastSequence) {
		t.Fatalf("a full stream answers %v", err)
	}
	if info, err := b.RecordsInfo(t.Context()); err != nil || info.LastSeq != last || int(info.Messages) != n-1 {
		t.Errorf("RecordsInfo = %+v, %v after %d records", info, err, n-1)
	}
	if last, err = b.PublishRecords(t.Context(), []bus.Msg{recordMsg(t, "c", "job", "0", 2)}, last); err != nil {
		t.Errorf("a smaller state of a record: %v", err)
	}
	if err := b.PurgeRecords(t.Context(), "c", ""); err != nil {
		t.Fatal(err)
	}
	if _, err = b.PublishRecords(t.Context(), []bus.Msg{big("new", 1)}, last); err != nil {
		t.Errorf("after a purge: %v", err)
	}
}
