package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// SubscriberLag tells how far a subscriber's consumer is. mirror.ErrNoConsumer where there is none as s describes it.
func (b *Bus) SubscriberLag(ctx context.Context, s mirror.Subscriber) (mirror.Lag, error) {
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	if !b.nc.IsConnected() {
		return mirror.Lag{}, errDisconnected
	}
	info, err := b.consumerInfo(ctx, s.User())
	if err == nil && replayOf(info.Config.Metadata) != s.Replay {
		err = mirror.ErrNoConsumer
	}
	if err != nil {
		return mirror.Lag{}, fmt.Errorf("asking for the lag of %s: %w", s.User(), because(ctx, err))
	}
	lag := mirror.Lag{
		Pending: int(info.NumPending), Unacknowledged: info.NumAckPending, Redelivered: info.NumRedelivered,
		Waiting: info.NumWaiting, DeliveredAt: info.Delivered.Last, AcknowledgedAt: info.AckFloor.Last,
	}
	if lag.Pending+lag.Unacknowledged == 0 {
		return lag, nil
	}
	at, err := b.firstAt(ctx, info.AckFloor.Stream+1, SubscriberSubjects(s.Employers))
	if err != nil {
		return mirror.Lag{}, fmt.Errorf("looking for what %s did not acknowledge: %w", s.User(), because(ctx, err))
	}
	if at != nil && at.Before(info.Created) {
		at = &info.Created // nobody waited before
	}
	lag.OldestAt = at
	return lag, nil
}

// firstAt is the time of the first message on one of the subjects at seq or after it, nil where there is none. A reader is
// made for it, since a direct look takes one subject and a board may have a thousand.
func (b *Bus) firstAt(ctx context.Context, seq uint64, subjects []string) (*time.Time, error) {
	consumer, err := b.createScan(ctx, seq, subjects...)
	if err != nil {
		return nil, err
	}
	defer b.deleteScan(ctx, consumer.CachedInfo().Name)
	if consumer.CachedInfo().NumPending == 0 {
		return nil, nil
	}
	batch, err := consumer.Fetch(1, jetstream.FetchContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("fetching: %w", err)
	}
	var at *time.Time
	for msg := range batch.Messages() {
		if md, err := msg.Metadata(); err == nil {
			at = &md.Timestamp
		}
	}
	return at, batch.Error()
}

// JobPlace returns where a version of a job lies in JOBS, and which versions of it are kept. mirror.ErrNoVersion where it
// is not kept; the versions are zero where nothing of the job is.
func (b *Bus) JobPlace(ctx context.Context, connection, posting string, version int64) (uint64, mirror.Versions, error) {
	if !isToken(connection) || !isToken(posting) {
		return 0, mirror.Versions{}, fmt.Errorf("job %q of connection %q: %w", posting, connection, ErrNoSubject)
	}
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	if !b.nc.IsConnected() {
		return 0, mirror.Versions{}, errDisconnected
	}
	stream, err := b.js.Stream(ctx, StreamJobs)
	if err != nil {
		return 0, mirror.Versions{}, fmt.Errorf("looking for a job's versions: %w", streamError(ctx, err))
	}
	place, kept, err := versionsOf(ctx, stream, events.JobSubject(connection, posting), version)
	if err != nil {
		return 0, kept, fmt.Errorf("looking for a job's versions: %w", because(ctx, err))
	}
	if place == 0 {
		return 0, kept, fmt.Errorf("version %d: %w", version, mirror.ErrNoVersion)
	}
	return place, kept, nil
}

// versionsOf walks the messages of a subject, of which there are at most KeptPerSubject.
func versionsOf(
	ctx context.Context, stream jetstream.Stream, subject string, want int64,
) (place uint64, kept mirror.Versions, err error) {
	for seq := uint64(1); ; {
		msg, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return place, kept, nil
		}
		if err != nil {
			return 0, kept, err
		}
		seq = msg.Sequence + 1
		version, err := strconv.ParseInt(msg.Header.Get(events.HeaderVersion), 10, 64)
		if err != nil {
			continue // none of ours
		}
		if kept.Oldest == 0 {
			kept.Oldest = version
		}
		kept.Newest = version
		if version == want {
			place = msg.Sequence
		}
	}
}
