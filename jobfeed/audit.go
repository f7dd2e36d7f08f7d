package jobfeed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	auditBatch = 1000
	auditTime  = time.Minute
)

var errBehind = errors.New("the stream holds later versions than were handed over")

// auditDue says whether the versions are to be compared with the stream's: once in a while, and soon after one jumped.
func (s *session) auditDue(now time.Time) bool {
	if s.src.acknowledges() || !s.lanes.isRead() {
		return false
	}
	since := now.Sub(s.audited)
	return since >= s.pace.audit || since >= s.pace.audit/60 && s.lanes.jumped()
}

// audit compares the last version of each job in the stream with what came. Where one lies before the place that was
// reached and did not come, an error has all jobs read anew: those that are known are not handed over again.
func (s *session) audit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	reached := s.last(s.from).Sequence
	consumer, err := s.link.js.CreateConsumer(ctx, events.Stream, jetstream.ConsumerConfig{
		Description: "jobfeed audit", FilterSubjects: s.subjects(), AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true,
		Replicas: 1, InactiveThreshold: readerLife, HeadersOnly: true, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return fmt.Errorf("making a consumer: %w", err)
	}
	info := consumer.CachedInfo()
	defer s.src.detach(context.WithoutCancel(ctx), s.link, info.Name)
	var behind []delivery
	for left := info.NumPending; left > 0; {
		batch, err := consumer.Fetch(int(min(left, auditBatch)), jetstream.FetchContext(ctx))
		if err != nil {
			return fmt.Errorf("fetching: %w", err)
		}
		came := false
		for m := range batch.Messages() {
			md, err := m.Metadata()
			if err != nil {
				continue
			}
			came, left = true, md.NumPending
			d, err := identify(m.Subject(), m.Headers())
			if err == nil && md.Sequence.Stream <= reached && d.version > s.lanes.known(d.key) {
				behind = append(behind, d)
			}
		}
		if err := batch.Error(); err != nil {
			return fmt.Errorf("fetching: %w", err)
		}
		if !came {
			return fmt.Errorf("%d messages did not come", left)
		}
	}
	if len(behind) == 0 {
		return nil
	}
	d := behind[0]
	return fmt.Errorf("%w: of %d jobs, such as %s, version %d", errBehind, len(behind), d.key, d.version)
}
