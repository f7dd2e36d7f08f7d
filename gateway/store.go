package gateway

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/boards"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Connections keeps the employers' connections.
type Connections interface {
	// Create stores a connection, its secrets and its first due poll in one transaction. CreatedAt and StatusSince are
	// kept to the microsecond. mirror.ErrDuplicateKey, mirror.ErrDuplicateEmployer.
	Create(ctx context.Context, c mirror.NewConnection) error
	// View returns a connection, removed ones too. mirror.ErrNotFound.
	View(ctx context.Context, id string) (mirror.View, error)
	// Views returns the connections that are not removed, by id, after the id given, at most limit.
	Views(ctx context.Context, after string, limit int) ([]mirror.View, error)
	// Patch changes a connection. A replaced key makes an unauthorized or degraded connection active, and makes a poll
	// due at once, as resuming and another name do; a shorter interval brings the next poll nearer.
	// mirror.ErrNotFound, mirror.ErrRemoved, mirror.ErrDuplicateKey.
	Patch(ctx context.Context, id string, p mirror.ConnectionPatch) error
	// Remove deletes the connection's secrets at once, closes its public jobs if asked to, and commits
	// connection.removed, in one transaction. It returns how many events it committed.
	// mirror.ErrNotFound, mirror.ErrRemoved.
	Remove(ctx context.Context, id string, jobs mirror.Removal) (int, error)
	// MakeDue makes a poll due now. mirror.ErrNotFound, mirror.ErrRemoved.
	MakeDue(ctx context.Context, id string) error
	// KnownPostings returns how many postings the connection mirrors, and how many of the ids given are among them.
	KnownPostings(ctx context.Context, id string, postings []string) (mirrored, known int, err error)
	// KeyInUse returns the id of the connection that has the key with this fingerprint. mirror.ErrNotFound.
	KeyInUse(ctx context.Context, fingerprint []byte) (string, error)
}

// Jobs reads public jobs.
type Jobs interface {
	// Jobs returns at most q.Limit jobs in the order of mirror.JobCursor. A job is left out until nothing can be committed
	// any more that belongs before it.
	Jobs(ctx context.Context, q mirror.JobQuery) ([]mirror.JobState, error)
	// Job returns the jobs with this posting id: one a connection that has it; with connection not empty at most one.
	// An empty answer means there is none.
	Job(ctx context.Context, connection, posting string) ([]mirror.JobState, error)
}

// Records reads the mirrored objects of all kinds.
type Records interface {
	// Records returns at most q.Limit records in the order of mirror.RecordCursor, those that are gone too. One is left out
	// until nothing can be committed any more that belongs before it.
	Records(ctx context.Context, q mirror.RecordQuery) ([]mirror.RecordState, error)
	// Record returns one record, also one that is gone. mirror.ErrNotFound.
	Record(ctx context.Context, connection, kind, id string) (mirror.RecordState, error)
}

// Holds keeps what waits for proof or for a person.
type Holds interface {
	// Holds returns at most q.Limit holds, newest first.
	Holds(ctx context.Context, q mirror.HoldQuery) ([]mirror.HeldView, error)
	// DecideHold makes a hold mirror.HoldApproved or mirror.HoldRejected, also one that was decided otherwise before, and a
	// poll due, and returns the hold as it is then, read before the commit. The decision is made now, whatever its time is.
	// mirror.ErrNotFound, mirror.ErrEnded.
	DecideHold(ctx context.Context, id string, what mirror.HoldDecision) (mirror.HeldView, error)
}

// Diary tells what was done and what came of it.
type Diary interface {
	// Quarantine returns at most limit of the rows that cannot be read, newest first.
	Quarantine(ctx context.Context, connection string, limit int) ([]mirror.Quarantined, error)
	// Runs returns at most q.Limit runs, newest first.
	Runs(ctx context.Context, q mirror.RunQuery) ([]mirror.Run, error)
	// History returns at most limit versions of a job, newest first; with beforeVersion not 0, those before it.
	History(ctx context.Context, connection, posting string, beforeVersion int64, limit int) ([]mirror.HistoryEntry, error)
}

// Settings keeps what is known of the webhook settings at Ashby.
type Settings interface {
	// SettingsOf returns the settings of a connection, those that were never made through the API too.
	SettingsOf(ctx context.Context, connection string) ([]mirror.WebhookSeen, error)
	// PutSetting stores the id, the state and the problem of the setting of s.Action; when it was seen stays as it is.
	PutSetting(ctx context.Context, connection string, s mirror.WebhookSeen) error
	// SealedKey returns a connection's API key as it is stored. mirror.ErrNotFound, mirror.ErrRemoved.
	SealedKey(ctx context.Context, id string) (mirror.Sealed, error)
}

// Heart notices that the gateway was away.
type Heart interface {
	// Beat notes that a service is at work and returns how long it was silent before, 0 at its very first beat. Replicas
	// share a name, so that only the silence of all of them is one.
	Beat(ctx context.Context, service string) (time.Duration, error)
	// SpreadPolls makes a poll due of each connection that is at work, at a random time within over and never later than
	// it is due already. It returns of how many.
	SpreadPolls(ctx context.Context, over time.Duration) (int, error)
}

// Feeds keeps the feeds and reads what they show.
type Feeds interface {
	// CreateFeed stores a feed and returns it. mirror.UnknownConnections, with nothing stored.
	CreateFeed(ctx context.Context, f mirror.NewFeed) (mirror.Feed, error)
	// Feeds returns feeds by id, after the id given, at most limit.
	Feeds(ctx context.Context, after string, limit int) ([]mirror.Feed, error)
	// RotateFeed gives a feed another token; the one before it is unknown from then on. mirror.ErrNotFound.
	RotateFeed(ctx context.Context, id string, tokenHash []byte) (mirror.Feed, error)
	// RemoveFeed deletes a feed. mirror.ErrNotFound.
	RemoveFeed(ctx context.Context, id string) error
	// FeedOf returns the feed with a token of this SHA-256. mirror.ErrNotFound.
	FeedOf(ctx context.Context, tokenHash []byte) (mirror.Feed, error)
	// FeedRead notes that a feed was read now, unless that was noted within the last minute.
	FeedRead(ctx context.Context, id string) error
	// FeedState returns what a feed of these employers, nil for all, has to show.
	FeedState(ctx context.Context, employers []string) (mirror.FeedState, error)
	// FeedPage returns at most q.Limit open jobs after q.After, in an order in which a job's place never changes.
	FeedPage(ctx context.Context, q mirror.FeedQuery) ([]mirror.FeedJob, error)
}

// Inbox takes webhooks.
type Inbox interface {
	// Endpoint finds the connection of a token, removed ones too. mirror.ErrNotFound if there never was one; any other
	// error means that it is not known.
	Endpoint(ctx context.Context, token string) (mirror.Endpoint, error)
	// Commit writes the deliveries in one transaction. One that is there already is open again under a new id, so that a
	// read that began before does not answer it; one whose connection was removed meanwhile is left out silently. A
	// delivery with an empty kind is stored as processed.
	Commit(ctx context.Context, ds []mirror.Delivery) error
	// Seen notes that an action's setting showed itself, by a ping or a delivery.
	Seen(ctx context.Context, connection, action string, ping bool) error
}

// Subscribers keeps the job boards that have an identity of their own at NATS.
type Subscribers interface {
	boards.Store
	// CreateSubscriber stores a subscriber and the SHA-256 of its password; CreatedAt is kept to the microsecond.
	// mirror.UnknownConnections.
	CreateSubscriber(ctx context.Context, s mirror.Subscriber, hash []byte) error
	// Subscriber returns a subscriber, revoked ones too. mirror.ErrNotFound.
	Subscriber(ctx context.Context, id string) (mirror.Subscriber, error)
	// Subscribers returns those that are not revoked, by id, after the id given, at most limit.
	Subscribers(ctx context.Context, after string, limit int) ([]mirror.Subscriber, error)
	// PatchSubscriber changes name and employers; other employers begin the consumer anew, with a snapshot.
	// mirror.ErrNotFound, mirror.ErrRevoked, mirror.UnknownConnections.
	PatchSubscriber(ctx context.Context, id string, p mirror.SubscriberPatch) (mirror.Subscriber, error)
	// RotateSubscriber begins the next generation, with the SHA-256 of its password. mirror.ErrNotFound, mirror.ErrRevoked.
	RotateSubscriber(ctx context.Context, id string, hash []byte) (mirror.Subscriber, error)
	// ReplaySubscriber has the consumer begin anew. mirror.ErrNotFound, mirror.ErrRevoked.
	ReplaySubscriber(ctx context.Context, id string, start mirror.Start) (mirror.Subscriber, error)
	// RevokeSubscriber shuts a subscriber out for good. mirror.ErrNotFound, mirror.ErrRevoked.
	RevokeSubscriber(ctx context.Context, id string) (mirror.Subscriber, error)
	// Credential returns the SHA-256 of the password with which one generation of a subscriber logs in. mirror.ErrNotFound
	// for any but the present one of a subscriber that is not revoked; any other error means that it is not known.
	Credential(ctx context.Context, id string, generation int) ([]byte, error)
}

// Boards is NATS as far as job boards have to do with it.
type Boards interface {
	boards.Bus
	// SubscriberLag tells how far a subscriber's consumer is. mirror.ErrNoConsumer.
	SubscriberLag(ctx context.Context, s mirror.Subscriber) (mirror.Lag, error)
	// JobPlace returns where a version of a job lies in the stream, and which versions of it are kept; the latter also with
	// mirror.ErrNoVersion, zero where nothing of the job is kept.
	JobPlace(ctx context.Context, connection, posting string, version int64) (uint64, mirror.Versions, error)
	// ServeLogins answers who may log in until ctx ends, and returns nil then. admit returns nil for who may,
	// mirror.ErrDenied for who may not, and any other error where it cannot tell.
	ServeLogins(ctx context.Context, issuer ashby.Secret, admit func(ctx context.Context, l mirror.Login) error) error
}

// Bus carries hints, and webhooks while Postgres is down.
type Bus interface {
	PublishHint(ctx context.Context, h mirror.Hint) error
	// Spill stores a delivery in the fsynced stream SPILL; nil means it is stored.
	Spill(ctx context.Context, d mirror.Delivery) error
	// DrainSpill hands stored deliveries to commit, in batches, and acknowledges each batch that it took. It returns
	// when the stream is empty, at the first error, or with ctx.
	DrainSpill(ctx context.Context, commit func(ctx context.Context, ds []mirror.Delivery) error) error
	// WakeRelay tells the notifier that there are events to publish. Best effort.
	WakeRelay()
	// WakeWebhooks tells the sender of webhooks that an endpoint changed or has something due. Best effort.
	WakeWebhooks()
}

// Receivers keeps the endpoints that events are posted to, and what is on its way to them.
type Receivers interface {
	// CreateReceiver stores an active receiver. mirror.UnknownConnections.
	CreateReceiver(ctx context.Context, r mirror.Receiver) error
	// Receivers returns the receivers, by id, after the id given, at most limit.
	Receivers(ctx context.Context, after string, limit int) ([]mirror.ReceiverView, error)
	// Receiver returns one. mirror.ErrNotFound, as of all that follows.
	Receiver(ctx context.Context, id string) (mirror.ReceiverView, error)
	// PatchReceiver changes one; another address begins with a clean slate. mirror.UnknownConnections.
	PatchReceiver(ctx context.Context, id string, p mirror.ReceiverPatch) error
	// RotateReceiver stores a new secret; the one before signs beside it until overlap has passed.
	RotateReceiver(ctx context.Context, id string, sealed mirror.Sealed, overlap time.Duration) error
	// PauseReceiver sends nothing more to it; ResumeReceiver makes it active with a clean slate.
	PauseReceiver(ctx context.Context, id, reason string) error
	ResumeReceiver(ctx context.Context, id string) error
	// DeleteReceiver forgets it and its secrets at once.
	DeleteReceiver(ctx context.Context, id string) error
	// Replay queues events for it again. mirror.ErrNotActive, mirror.ErrTooMany.
	Replay(ctx context.Context, id string, what mirror.Replay) (mirror.Replayed, error)
	// Parcels returns its deliveries, the newest first, at most q.Limit.
	Parcels(ctx context.Context, q mirror.ParcelQuery) ([]mirror.ParcelView, error)
}

// Tokens keeps the API's tokens.
type Tokens interface {
	// CreateToken stores a token and the SHA-256 of its text. mirror.ErrDuplicateName where one that is neither revoked nor
	// expired has its name.
	CreateToken(ctx context.Context, t mirror.APIToken, hash []byte) error
	// Tokens returns tokens by id, expired ones too, at most q.Limit.
	Tokens(ctx context.Context, q mirror.TokenQuery) ([]mirror.APIToken, error)
	// RevokeToken makes a token of no use, and returns it; one that is revoked stays as it is. mirror.ErrNotFound.
	RevokeToken(ctx context.Context, id string) (mirror.APIToken, error)
	// TokenOf returns the token with this hash, revoked and expired ones too. mirror.ErrNotFound if there never was one; any
	// other error means that it is not known.
	TokenOf(ctx context.Context, hash []byte) (mirror.APIToken, error)
	// TokenHashes returns the hashes of all tokens that are neither revoked nor expired.
	TokenHashes(ctx context.Context) ([][]byte, error)
	// TokenUsed notes that a token was used now, unless that was noted within the last minute.
	TokenUsed(ctx context.Context, id string) error
}

// Audit keeps what was done by whom.
type Audit interface {
	// BeginAct writes an act down before it is done, and returns the entry's id.
	BeginAct(ctx context.Context, act mirror.Act) (int64, error)
	// FinishAct writes down what became of an act, once. mirror.ErrNotFound.
	FinishAct(ctx context.Context, id int64, end mirror.ActEnd) error
	// AuditLog returns entries, the latest first, at most q.Limit.
	AuditLog(ctx context.Context, q mirror.AuditQuery) ([]mirror.AuditEntry, error)
}
