package mirror

import (
	"encoding/json"
	"time"
)

// Feed is a document of open public jobs that a board fetches at a secret address.
type Feed struct {
	ID, Name string
	// Employers are the ids of the connections whose jobs it shows; nil for all.
	Employers []string
	CreatedAt time.Time
	// RotatedAt is when it got its present address, nil for its first one.
	RotatedAt *time.Time
	// LastReadAt is when it was last asked for, to about a minute.
	LastReadAt *time.Time
}

// NewFeed is a feed to be stored.
type NewFeed struct {
	ID, Name  string
	Employers []string
	// TokenHash is the SHA-256 of the token in its address.
	TokenHash []byte
}

// FeedState is what there is to show, without the jobs themselves.
type FeedState struct {
	// Digest is another one whenever another job is open, or one in another version.
	Digest string
	// ChangedAt is when a job last changed, opened or closed; zero where there never was one.
	ChangedAt time.Time
	// Horizon is a time such that every change which this state does not show has a later one.
	Horizon time.Time
	// VerifiedAt is when the copy of the employer that was compared with Ashby longest ago was compared; nil where one
	// never was.
	VerifiedAt *time.Time
}

// FeedQuery selects open jobs.
type FeedQuery struct {
	Employers []string // nil for all
	After     FeedCursor
	Limit     int // 1 to 200
}

// FeedCursor is a position in the order of a feed's jobs, which never changes for a job.
type FeedCursor struct{ Connection, Posting string }

// FeedJob is an open job.
type FeedJob struct {
	FeedCursor
	Job       json.RawMessage
	Version   int64
	ChangedAt time.Time
}
