package syncer

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// AshbyClient reads one employer's account; its errors are package ashby's sentinels, wrapped. It keeps to the key's
// rate limit and retries by itself, so an error means that trying again at once is useless.
type AshbyClient interface {
	// Page returns one page of a listing; ashby.ErrRestart where token or cursor are not taken any more.
	Page(ctx context.Context, kind ashby.Kind, req ashby.PageRequest) (ashby.Page, error)
	// Postings returns the complete listing of published postings, or an error: those of the primary external board, and
	// of the boards given.
	Postings(ctx context.Context, boards ...string) (ashby.PostingList, error)
	// Posting returns one posting, drafts too; ashby.ErrNotFound.
	Posting(ctx context.Context, id string) (ashby.PostingAnswer, error)
	// Info returns one object of a kind; ashby.ErrNotFound.
	Info(ctx context.Context, kind ashby.Kind, id string) (ashby.Record, error)
}

// Bus carries hints, and the word that there are events to publish.
type Bus interface {
	// PublishHint hands a hint to the owner of its partition, within a second or not at all.
	PublishHint(ctx context.Context, h mirror.Hint) error
	// Hints hands the hints of a partition to handle, concurrently, until ctx ends; it returns only when every handle
	// has returned. A message that is not settled is delivered again.
	Hints(ctx context.Context, part int, handle func(ctx context.Context, m bus.HintMsg)) error
	// WakeRelay tells the notifier that there are events to publish. Best effort.
	WakeRelay()
}

// Sealer opens sealed secrets, and seals the records of opt-in modules.
type Sealer interface {
	Open(sealed mirror.Sealed, connection, kind string) (ashby.Secret, error)
	Seal(plain ashby.Secret, connection, kind string) (mirror.Sealed, error)
	// Fingerprint is the same for the same secret and tells nothing of it.
	Fingerprint(secret ashby.Secret) []byte
}

// kindAPIKey is the kind of secret under which API keys are sealed.
const kindAPIKey = "api_key"

// direct settles a hint that did not come by the bus: the inbox row or the schedule repeats it if it fails.
type direct struct{}

func (direct) Ack() error                       { return nil }
func (direct) NakWithDelay(time.Duration) error { return nil }
func (direct) InProgress() error                { return nil }
