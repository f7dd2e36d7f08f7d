package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// followWait is how long a request for messages waits at the server.
const followWait = 5 * time.Second

// FollowOptions say which messages of JOBS are followed, and from where.
type FollowOptions struct {
	// Connections and Postings narrow it to events of these; all where empty. With postings, no connection's own events come.
	Connections, Postings []string
	// Snapshot begins with the last message of each subject, Since with the first that came at that time or later; with
	// neither, only new messages come.
	Snapshot bool
	Since    time.Time
	// OnBroken hears why messages stopped coming; they go on by themselves. Nil for none.
	OnBroken func(error)
}

func (o FollowOptions) subjects() ([]string, error) {
	for _, token := range append(append([]string{}, o.Connections...), o.Postings...) {
		if !isToken(token) {
			return nil, fmt.Errorf("%q: %w", token, ErrNoSubject)
		}
	}
	orAll := func(tokens []string) []string {
		if len(tokens) == 0 {
			return []string{"*"}
		}
		return tokens
	}
	var subjects []string
	for _, connection := range orAll(o.Connections) {
		for _, posting := range orAll(o.Postings) {
			subjects = append(subjects, events.JobSubject(connection, posting))
		}
		if len(o.Postings) == 0 {
			subjects = append(subjects, events.ConnectionSubject(connection))
		}
	}
	return subjects, nil
}

// Message is a message of JOBS with its body.
type Message struct {
	Entry
	Data []byte
}

// Follow hands over messages in the order of the stream until ctx ends, and returns nil then. It waits for a server that is
// away, and begins anew with a stream that is another one or lost its end. It leaves nothing behind at the server. An error
// is returned only for options that make no sense, and ErrDenied for a user that may not read the stream.
func (b *Bus) Follow(ctx context.Context, o FollowOptions, handle func(Message)) error {
	subjects, err := o.subjects()
	if err != nil {
		return err
	}
	f := &follower{bus: b, subjects: subjects, options: o, handle: handle}
	wait := newBackoff()
	for ctx.Err() == nil {
		_, _, changed := b.link.state()
		err := f.read(ctx, wait.Reset)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // whoever ended it knows
		}
		if b.mayNotRead.Load() {
			return fmt.Errorf("reading %s: %w", StreamJobs, ErrDenied)
		}
		if o.OnBroken != nil {
			o.OnBroken(err)
		}
		waitFor(ctx, changed, wait.Next())
	}
	return nil
}

// refusesReading says whether the server refused what reading JOBS takes. It names the subject between quotes.
func refusesReading(err error) bool {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, `"$JS.API.STREAM.INFO.`+StreamJobs+`"`) || strings.Contains(text, `"$JS.API.CONSUMER.CREATE.`+StreamJobs+`.`) ||
		strings.Contains(text, `"$JS.API.CONSUMER.MSG.NEXT.`+StreamJobs+`.`)
}

type follower struct {
	bus      *Bus
	subjects []string
	options  FollowOptions
	handle   func(Message)

	// created and last are the stream that was read and how far; zero before the first message or the first look.
	created time.Time
	last    uint64
}

func (f *follower) read(ctx context.Context, working func()) error {
	if !f.bus.nc.IsConnected() {
		return errDisconnected
	}
	cfg, err := f.config(ctx)
	if err != nil {
		return err
	}
	consumer, err := f.bus.makeReader(ctx, cfg)
	if err != nil {
		return err
	}
	defer f.bus.deleteScan(ctx, consumer.CachedInfo().Name)
	next := uint64(1)
	for ctx.Err() == nil {
		if next, err = f.fetch(ctx, consumer, next); err != nil {
			return err
		}
		working()
	}
	return ctx.Err()
}

// config is that of a reader which goes on where the last one ended.
func (f *follower) config(ctx context.Context) (jetstream.ConsumerConfig, error) {
	cfg := readerConfig(jetstream.DeliverAllPolicy)
	cfg.FilterSubjects = f.subjects
	info, err := f.bus.JobsInfo(ctx)
	if err != nil {
		return cfg, err
	}
	first := f.created.IsZero()
	another := !first && (!info.Created.Equal(f.created) || info.LastSeq < f.last)
	f.created = info.Created
	switch {
	case another:
		f.last = 0
	case !first || !f.options.Snapshot && f.options.Since.IsZero():
		if first {
			f.last = info.LastSeq
		}
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.last+1
	case f.options.Snapshot:
		cfg.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	default:
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &f.options.Since
	}
	return cfg, nil
}

// fetch waits for messages; next is the delivery number that must come.
func (f *follower) fetch(ctx context.Context, consumer jetstream.Consumer, next uint64) (uint64, error) {
	joined, done := f.bus.call(ctx, followWait)
	defer done()
	batch, err := consumer.Fetch(bodyBatch, jetstream.FetchContext(joined))
	if err != nil {
		return next, fmt.Errorf("fetching: %w", because(joined, err))
	}
	broken := false
	for msg := range batch.Messages() {
		md, err := msg.Metadata()
		if broken = broken || err != nil || md.Sequence.Consumer != next; broken {
			continue // the channel is emptied, so that the library's goroutine ends
		}
		next++
		f.last = md.Sequence.Stream
		f.handle(Message{Entry: entryOf(msg, md.Sequence.Stream), Data: msg.Data()})
	}
	if broken {
		return next, fmt.Errorf("%w: a message is missing", errScanBroken)
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return next, fmt.Errorf("fetching: %w", because(joined, err))
	}
	return next, nil
}
