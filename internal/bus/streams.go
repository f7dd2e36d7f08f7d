package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	// KeptPerSubject is how many messages JOBS keeps of each job.
	KeptPerSubject = 16
	// MaxMessage is the largest event in bytes. It stands far above what a posting can hold; the server's own
	// max_payload, 1 MiB unless set, counts too.
	MaxMessage = 8 << 20

	hintMaxAge = 2 * time.Hour
	// hintMaxBytes is memory: some hundred thousand hints.
	hintMaxBytes = 64 << 20
	// shortDuplicates is the shortest window that the server takes. Exactly-once rests on the expected last sequence;
	// the server's memory of ids survives a purge, and a longer one would refuse the repair that follows.
	shortDuplicates = 100 * time.Millisecond
)

// streams are the shapes of the streams.
func (b *Bus) streams() []jetstream.StreamConfig {
	shapes := []jetstream.StreamConfig{
		{
			Name:        StreamHints,
			Description: "Hints that something may have changed at Ashby. Lost with the server, and made again from Postgres.",
			Subjects:    []string{hintSubjects},
			Retention:   jetstream.WorkQueuePolicy,
			Storage:     jetstream.MemoryStorage,
			// A newer hint replaces the older one on its subject. Discarding the new one instead would lose the change
			// that arrives while its predecessor is in work.
			Discard:           jetstream.DiscardOld,
			MaxMsgsPerSubject: 1,
			MaxAge:            hintMaxAge,
			MaxBytes:          hintMaxBytes,
			Replicas:          b.opts.Replicas,
		},
		{
			Name:              StreamJobs,
			Description:       "Events of public jobs; the last message of a subject is the job's present state.",
			Subjects:          events.Subjects(),
			Retention:         jetstream.LimitsPolicy,
			Storage:           jetstream.FileStorage,
			MaxMsgsPerSubject: KeptPerSubject,
			// A full stream refuses: the outbox waits and an alert says so. Discarding old would drop present states.
			Discard:            jetstream.DiscardNew,
			MaxBytes:           b.opts.MaxBytesJobs,
			MaxMsgSize:         MaxMessage,
			Duplicates:         shortDuplicates,
			DenyDelete:         true,
			AllowDirect:        true,
			AllowAtomicPublish: true,
			AllowMsgTTL:        true,
			Replicas:           b.opts.Replicas,
		},
		{
			Name:        StreamSpill,
			Description: "Verified webhooks that arrived while Postgres was down.",
			Subjects:    []string{spillSubjects},
			Retention:   jetstream.WorkQueuePolicy,
			Storage:     jetstream.FileStorage,
			// Each was answered 200: a full stream must refuse, so that Ashby tries again.
			Discard:  jetstream.DiscardNew,
			MaxBytes: b.opts.MaxBytesSpill,
			Replicas: b.opts.Replicas,
		},
	}
	if b.opts.Records {
		shapes = append(shapes, b.recordsStream())
	}
	return shapes
}

func (b *Bus) recordsStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        StreamRecords,
		Description: "Present state of each mirrored record, without personal data. Made again from Postgres if lost.",
		Subjects:    append(events.RecordSubjects(), recordsFence),
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		// A newer state replaces the older one. A full stream refuses, as JOBS does: it would else lose the present state
		// of whichever record changed longest ago.
		MaxMsgsPerSubject:  1,
		Discard:            jetstream.DiscardNew,
		MaxBytes:           b.opts.MaxBytesRecords,
		MaxMsgSize:         MaxMessage,
		Duplicates:         shortDuplicates,
		DenyDelete:         true,
		AllowDirect:        true,
		AllowAtomicPublish: true,
		Replicas:           b.opts.Replicas,
	}
}

// misshapen says whether a stream differs from its shape in what decides which messages it takes, keeps and gives out.
func (b *Bus) misshapen(has jetstream.StreamConfig) bool {
	for _, want := range b.streams() {
		if want.Name != has.Name {
			continue
		}
		return !slices.Equal(has.Subjects, want.Subjects) || has.Retention != want.Retention ||
			has.Storage != want.Storage || has.Discard != want.Discard || has.DiscardNewPerSubject ||
			want.MaxMsgsPerSubject > 0 && has.MaxMsgsPerSubject != want.MaxMsgsPerSubject ||
			has.MaxAge != want.MaxAge || has.MaxMsgs > 0 || has.MaxBytes != want.MaxBytes ||
			want.MaxMsgSize > 0 && has.MaxMsgSize != want.MaxMsgSize ||
			want.Duplicates > 0 && has.Duplicates != want.Duplicates ||
			has.DenyDelete != want.DenyDelete || has.DenyPurge || has.Sealed || has.NoAck ||
			has.AllowDirect != want.AllowDirect || has.AllowAtomicPublish != want.AllowAtomicPublish ||
			has.Mirror != nil || len(has.Sources) > 0 || has.SubjectTransform != nil || has.RePublish != nil
	}
	return false
}

// EnsureStreams creates the streams that are missing and updates those of another shape. It never deletes one: where
// the server refuses an update, the error says so, and a person decides.
func (b *Bus) EnsureStreams(ctx context.Context) error {
	b.ensure.Lock()
	defer b.ensure.Unlock()
	var errs []error
	for _, cfg := range b.streams() {
		errs = append(errs, b.ensureStream(ctx, cfg))
	}
	return errors.Join(errs...)
}

// EnsureJobs does so with JOBS alone.
func (b *Bus) EnsureJobs(ctx context.Context) error {
	b.ensure.Lock()
	defer b.ensure.Unlock()
	for _, cfg := range b.streams() {
		if cfg.Name == StreamJobs {
			return b.ensureStream(ctx, cfg)
		}
	}
	return nil
}

func (b *Bus) ensureStream(ctx context.Context, cfg jetstream.StreamConfig) error {
	asking, asked := b.call(ctx, askTimeout)
	defer asked()
	_, err := b.js.CreateStream(asking, cfg)
	if err == nil {
		return nil
	}
	if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("creating stream %s: %w", cfg.Name, because(asking, err))
	}
	if !slices.Contains(owned(b.opts.Service), cfg.Name) {
		return fmt.Errorf("stream %s exists with another shape, and it is not the %s's to change it", cfg.Name, b.opts.Service)
	}
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	if _, err = b.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("stream %s exists with another shape, and the server refuses to change it: %w",
			cfg.Name, because(ctx, err))
	}
	b.log.InfoContext(ctx, "updated a stream's shape", "stream", cfg.Name)
	return nil
}

// keepStreams ensures the streams after each connect until that works.
func (b *Bus) keepStreams(ctx context.Context) {
	wait := newBackoff()
	for {
		generation, ensured, changed := b.link.state()
		pause := time.Hour // nothing to do before the connection changes
		if generation > ensured && b.nc.IsConnected() {
			var err error
			if !b.opts.Reader {
				err = b.EnsureStreams(ctx)
			}
			if err == nil {
				b.link.streamsReady(generation)
				wait.Reset()
				continue
			}
			if ctx.Err() == nil {
				b.log.ErrorContext(ctx, "streams are not right", "error", err)
			}
			pause = wait.Next()
		}
		if !waitFor(ctx, changed, pause) {
			return
		}
	}
}

// waitFor returns true when something changed or the pause is over, false when ctx ended.
func waitFor(ctx context.Context, changed <-chan struct{}, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer.C:
	}
	return true
}

// newBackoff grows from 100 ms to 5 s, with jitter.
func newBackoff() *loop.Backoff {
	return &loop.Backoff{Min: 100 * time.Millisecond, Max: 5 * time.Second, Factor: 1.5, Jitter: 0.5}
}
