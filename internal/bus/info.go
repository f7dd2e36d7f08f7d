package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamState is what the server tells of a stream at little cost.
type StreamState struct {
	// Created is when the stream was created, in whole microseconds as Postgres keeps them: another time means another
	// stream.
	Created           time.Time
	FirstSeq, LastSeq uint64
	// Messages is how many the stream holds. As long as only the relay writes it never falls but by DropBefore, Empty and
	// PurgeRecords, since a message above what is kept of a subject leaves when another comes.
	Messages uint64
	// Subjects is how many subjects have messages.
	Subjects uint64
	// Misshapen says that the stream is not configured as it should be.
	Misshapen bool
}

// JobsInfo returns the state of JOBS. ErrNoStream if it is gone.
func (b *Bus) JobsInfo(ctx context.Context) (StreamState, error) { return b.info(ctx, StreamJobs) }

// RecordsInfo returns the state of RECORDS. ErrNoStream if it is not there.
func (b *Bus) RecordsInfo(ctx context.Context) (StreamState, error) {
	return b.info(ctx, StreamRecords)
}

func (b *Bus) info(ctx context.Context, name string) (StreamState, error) {
	ctx, done := b.call(ctx, askTimeout)
	defer done()
	stream, err := b.js.Stream(ctx, name)
	if err != nil {
		return StreamState{}, fmt.Errorf("asking for the state of %s: %w", name, streamError(ctx, err))
	}
	info := stream.CachedInfo()
	return StreamState{
		Created:  info.Created.UTC().Truncate(time.Microsecond),
		FirstSeq: info.State.FirstSeq, LastSeq: info.State.LastSeq,
		Messages: info.State.Msgs, Subjects: info.State.NumSubjects, Misshapen: b.misshapen(info.Config),
	}, nil
}

// purge removes messages of a stream; its last sequence stays as it is.
func (b *Bus) purge(ctx context.Context, name string, opts ...jetstream.StreamPurgeOpt) error {
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	stream, err := b.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("opening %s: %w", name, streamError(ctx, err))
	}
	if err := stream.Purge(ctx, opts...); err != nil {
		return fmt.Errorf("removing messages of %s: %w", name, because(ctx, err))
	}
	return nil
}

func streamError(ctx context.Context, err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return ErrNoStream
	}
	return because(ctx, err)
}
