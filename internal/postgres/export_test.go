package postgres

// The statements whose plans are looked at.
const (
	FeedStateQuery    = feedStateQuery
	FeedPageQuery     = feedPageQuery
	FeedEmployerQuery = feedEmployerQuery
)

// CancelGrace is how long a server has to answer a call whose context ended.
const CancelGrace = cancelGrace
