package notifier

import (
	"context"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// The kinds of damage that a stream can take.
const (
	// lossRecreated: it was created anew, as after a wiped store.
	lossRecreated = "recreated"
	// lossTruncated: its last sequence fell back, as after a cut file or an older copy.
	lossTruncated = "truncated"
	// lossPurged: all messages are gone.
	lossPurged = "purged"
	// lossMissing: some are gone.
	lossMissing = "missing"
	// lossUnreadable: the server counts messages that it cannot read any more, as after a flipped bit.
	lossUnreadable = "unreadable"
	// lossForeign: somebody else wrote into it.
	lossForeign = "foreign"
)

var lossKinds = []string{lossRecreated, lossTruncated, lossPurged, lossMissing, lossUnreadable, lossForeign}

// expectation is what is known of the stream without having read it.
type expectation struct {
	mirror.StreamState
	// none says that nothing is known: the first start of all.
	none bool
	// exact says that Messages is the number at LastSeq to the last one; else it is one that the number cannot fall below.
	exact bool
	// audited is where the stream ended when its number of messages was last found right, 0 where it was empty.
	audited uint64
}

// gone is the kind of loss where messages are fewer than they must be.
func (e expectation) gone(info bus.StreamState) string {
	if info.Messages == 0 || e.audited > 0 && info.FirstSeq > e.audited {
		return lossPurged
	}
	return lossMissing
}

// expected is what this relay knows, or what the store noted where its term has just begun.
func (r *relay) expected(noted mirror.StreamState, first bool) expectation {
	if r.census == nil {
		return expectation{StreamState: noted, audited: noted.LastSeq, none: first}
	}
	return expectation{StreamState: r.state(), audited: r.audited, exact: true}
}

// judge compares the stream with what is expected of it, and returns the kind of loss, empty for none. unsure says that
// only reading it all can tell.
func (r *relay) judge(e expectation, info bus.StreamState, tail []bus.Entry) (kind string, unsure bool) {
	switch {
	case e.none:
		return "", info.Messages > 0
	case !info.Created.Equal(e.CreatedAt):
		return lossRecreated, true
	case info.LastSeq < e.LastSeq:
		return lossTruncated, true
	case !e.exact:
		if info.Messages < e.Messages {
			return e.gone(info), true
		}
		return "", false
	}
	// What came behind the last sequence that we know of is what we sent ourselves, and did not hear of, or else another's.
	came := uint64(0)
	for _, entry := range tail {
		if entry.Seq <= e.LastSeq {
			continue
		}
		came++
		unsure = unsure || !r.doubted[entry.ID]
		r.census.add(entry.Subject, entry.Seq)
	}
	if came != info.LastSeq-e.LastSeq {
		return "", true
	}
	if info.Messages < r.census.total {
		return e.gone(info), true
	}
	return "", unsure || !r.census.holds(info)
}

// report says once what is known of a loss before the stream is read; the rest is said when it is repaired.
func (r *relay) report(ctx context.Context, kind string, e expectation, info bus.StreamState) {
	r.loss = kind
	r.metrics.losses.WithLabelValues(kind).Inc()
	r.Logger.WarnContext(ctx, "stream lost messages, repairing it", "stream", bus.StreamJobs, "kind", kind,
		"noted_seq", e.LastSeq, "last_seq", info.LastSeq, "first_seq", info.FirstSeq,
		"noted_messages", e.Messages, "messages", info.Messages, "noted_created", e.CreatedAt, "created", info.Created)
}

// findings are what a comparison of the stream with Postgres showed.
type findings struct {
	// missing are subjects that the stream lacks, behind those whose latest versions it lacks.
	missing, behind int
	// gaps are subjects that lack something in the middle; foreign those with a message that is none of ours.
	gaps, foreign int
	// ahead are subjects whose last message is not the one that Postgres knows: somebody else wrote it, or Postgres was set
	// back. unknown are those of jobs and connections that Postgres has never had.
	ahead, unknown int
	// unreadable is how many messages could not be read.
	unreadable uint64
	// from and to are the first and last place where a job's last message lay that is lost; 0 where this process never knew.
	from, to uint64
}

// kind is what to call the damage where nothing was known before the comparison.
func (f *findings) kind() string {
	switch {
	case f.unreadable > 0:
		return lossUnreadable
	case f.foreign > 0 || f.ahead > 0 || f.unknown > 0:
		return lossForeign
	case f.missing > 0 || f.behind > 0 || f.gaps > 0:
		return lossMissing
	}
	return ""
}

func (f *findings) lostAt(seq uint64) {
	if seq == 0 {
		return
	}
	f.to = max(f.to, seq)
	if f.from == 0 || seq < f.from {
		f.from = seq
	}
}
