// Package verify compares the stream JOBS with Postgres, message by message, for a person who wants to know. It changes
// nothing. What the relay repairs by itself, it would show.
package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	// looks is in how many looks in a row something must differ: while events are published, the stream and Postgres are
	// never read at the same moment.
	looks = 3
	// page is how many objects are read at once.
	page = 10_000
)

// Store is the side of Postgres.
type Store interface {
	// Latest returns, of each job and connection, the last event that is not in the outbox, page by page.
	Latest(ctx context.Context, cursor string, limit int) (page []mirror.Latest, next string, err error)
	// Unknown returns those places whose job or connection the database has never had.
	Unknown(ctx context.Context, places []mirror.Place) ([]mirror.Place, error)
	// OutboxDepth tells how many events wait, and since when the oldest does.
	OutboxDepth(ctx context.Context) (rows int64, oldest *time.Time, err error)
}

// Stream is the side of NATS.
type Stream interface {
	JobsInfo(ctx context.Context) (bus.StreamState, error)
	EachEntry(ctx context.Context, visit func(bus.Entry)) error
	EachLast(ctx context.Context, visit func(bus.Message)) error
}

// Problem names what is wrong with a subject.
type Problem string

// The problems.
const (
	Missing   Problem = "missing"   // the stream has nothing of it
	Behind    Problem = "behind"    // its last version is not on the stream
	Ahead     Problem = "ahead"     // the stream has a version that Postgres does not know
	OtherID   Problem = "other_id"  // the last version has another event id
	OtherJob  Problem = "other_job" // the last message tells another job
	Gap       Problem = "gap"       // its versions do not rise by one
	Twice     Problem = "twice"     // an event id stands in the stream twice
	Foreign   Problem = "foreign"   // a message is none of ours
	Unknown   Problem = "unknown"   // Postgres has never had it
	Misshapen Problem = "misshapen" // the stream is not configured as it should be
	Lost      Problem = "lost"      // the server counts messages that it cannot read
)

// Difference is something that is not as it should be.
type Difference struct {
	Subject string  `json:"subject"`
	Problem Problem `json:"problem"`
	Detail  string  `json:"detail"`
}

// Report is what was found.
type Report struct {
	// Jobs and Connections are those that the stream must hold, Subjects what it has.
	Jobs        int `json:"jobs"`
	Connections int `json:"connections"`
	Subjects    int `json:"subjects"`
	// Messages could be read, from sequence First to Last.
	Messages int       `json:"messages"`
	First    uint64    `json:"first_seq"`
	Last     uint64    `json:"last_seq"`
	Created  time.Time `json:"created_at"`
	// Outbox is how many events are not published yet, Oldest since when.
	Outbox      int64        `json:"outbox"`
	Oldest      *time.Time   `json:"outbox_oldest"`
	Differences []Difference `json:"differences"`
}

// Run compares. What differs in one look alone, because it was being published, is left out.
func Run(ctx context.Context, stream Stream, store Store, pause time.Duration) (Report, error) {
	var steady map[Difference]bool
	for n := 1; ; n++ {
		r, err := look(ctx, stream, store)
		if err != nil {
			return r, err
		}
		if n > 1 {
			r.Differences = slices.DeleteFunc(r.Differences, func(d Difference) bool { return !steady[d.key()] })
		}
		if len(r.Differences) == 0 || n == looks {
			return r, nil
		}
		steady = map[Difference]bool{}
		for _, d := range r.Differences {
			steady[d.key()] = true
		}
		if err := loop.Sleep(ctx, pause); err != nil {
			return r, err
		}
	}
}

// key is the same in each look.
func (d Difference) key() Difference {
	d.Detail = ""
	return d
}

// looking is one look.
type looking struct {
	report Report
	places map[string]place
	jobs   map[string][]byte // hashes of the jobs that the last messages tell, by subject
}

type place struct {
	version int64
	id      string
}

func look(ctx context.Context, stream Stream, store Store) (Report, error) {
	l := &looking{places: map[string]place{}, jobs: map[string][]byte{}, report: Report{Differences: []Difference{}}}
	info, err := stream.JobsInfo(ctx)
	if err != nil {
		return l.report, err
	}
	l.report.First, l.report.Last, l.report.Created = info.FirstSeq, info.LastSeq, info.Created
	if info.Misshapen {
		l.differs("", Misshapen, "the stream is not configured as it should be")
	}
	if err := l.read(ctx, stream); err != nil {
		return l.report, err
	}
	if n := int(info.Messages) - l.report.Messages; n > 0 {
		l.differs("", Lost, fmt.Sprintf("%d messages are counted and cannot be read", n))
	}
	if err := l.compare(ctx, store); err != nil {
		return l.report, err
	}
	slices.SortStableFunc(l.report.Differences, func(a, b Difference) int { return strings.Compare(a.Subject, b.Subject) })
	l.report.Outbox, l.report.Oldest, err = store.OutboxDepth(ctx)
	return l.report, err
}

func (l *looking) differs(subject string, p Problem, detail string) {
	l.report.Differences = append(l.report.Differences, Difference{Subject: subject, Problem: p, Detail: detail})
}

// read judges the stream by itself.
func (l *looking) read(ctx context.Context, stream Stream) error {
	ids := map[string]uint64{}
	if err := stream.EachEntry(ctx, func(e bus.Entry) {
		l.report.Messages++
		before, known := l.places[e.Subject]
		switch earlier, twice := ids[e.ID]; {
		case e.Version == 0 || e.ID == "":
			l.differs(e.Subject, Foreign, fmt.Sprintf("message %d is none of ours", e.Seq))
		case twice:
			l.differs(e.Subject, Twice, fmt.Sprintf("event %s stands at %d and at %d", e.ID, earlier, e.Seq))
		case known && e.Version != before.version+1:
			l.differs(e.Subject, Gap, fmt.Sprintf("version %d follows %d at %d", e.Version, before.version, e.Seq))
		}
		ids[e.ID] = e.Seq
		l.places[e.Subject] = place{version: e.Version, id: e.ID}
	}); err != nil {
		return err
	}
	l.report.Subjects = len(l.places)
	return stream.EachLast(ctx, func(m bus.Message) {
		var e struct {
			Data struct {
				Version int64           `json:"version"`
				Job     json.RawMessage `json:"job"`
			} `json:"data"`
		}
		if json.Unmarshal(m.Data, &e) == nil && e.Data.Version == m.Version && len(e.Data.Job) > 0 {
			l.jobs[m.Subject] = mirror.Hash(e.Data.Job)
		}
	})
}

// compare holds Postgres beside it.
func (l *looking) compare(ctx context.Context, store Store) error {
	due := map[string]bool{}
	for cursor := ""; ; {
		some, next, err := store.Latest(ctx, cursor, page)
		if err != nil {
			return err
		}
		for _, latest := range some {
			due[latest.Subject()] = true
			l.compareOne(latest)
		}
		if next == "" {
			break
		}
		cursor = next
	}
	var others []mirror.Place
	for subject := range l.places {
		connection, posting, ok := bus.ParseSubject(subject)
		if ok && !due[subject] {
			others = append(others, mirror.Place{Connection: connection, Posting: posting})
		}
	}
	if len(others) == 0 {
		return nil
	}
	// Jobs that were closed long ago are not due, and are about to leave the stream.
	unknown, err := store.Unknown(ctx, others)
	for _, u := range unknown {
		l.differs(u.Subject(), Unknown, "Postgres has never had it")
	}
	return err
}

func (l *looking) compareOne(latest mirror.Latest) {
	subject := latest.Subject()
	if latest.Posting == "" {
		l.report.Connections++
	} else {
		l.report.Jobs++
	}
	has, there := l.places[subject]
	switch {
	case !there:
		l.differs(subject, Missing, fmt.Sprintf("version %d is not on the stream", latest.Version))
	case has.version < latest.Version:
		l.differs(subject, Behind, fmt.Sprintf("version %d on the stream, %d in Postgres", has.version, latest.Version))
	case has.version > latest.Version:
		l.differs(subject, Ahead, fmt.Sprintf("version %d on the stream, %d in Postgres", has.version, latest.Version))
	case has.id != latest.EventID:
		l.differs(subject, OtherID, fmt.Sprintf("version %d is event %s on the stream, %s in Postgres",
			has.version, has.id, latest.EventID))
	case latest.Hash != nil && !bytes.Equal(l.jobs[subject], latest.Hash):
		l.differs(subject, OtherJob, fmt.Sprintf("version %d tells another job than Postgres has", has.version))
	}
}

// Summary is the report for a person: a line a fact, and the first differences, at most some.
func (r Report) Summary(some int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "stream      %s, %d messages of %d jobs and connections, sequences %d to %d, created %s\n", events.Stream,
		r.Messages, r.Subjects, r.First, r.Last, r.Created.Format(time.RFC3339))
	fmt.Fprintf(&s, "Postgres    %d jobs and %d connections that must be there\n", r.Jobs, r.Connections)
	fmt.Fprintf(&s, "outbox      %d events wait", r.Outbox)
	if r.Oldest != nil {
		fmt.Fprintf(&s, ", the oldest since %s", r.Oldest.Format(time.RFC3339))
	}
	s.WriteString("\n")
	for i, d := range r.Differences {
		if i == some {
			fmt.Fprintf(&s, "... and %d more\n", len(r.Differences)-some)
			break
		}
		fmt.Fprintf(&s, "%-11s %s %s\n", d.Problem, d.Subject, d.Detail)
	}
	if len(r.Differences) == 0 {
		s.WriteString("the stream tells what Postgres does\n")
	}
	return s.String()
}
