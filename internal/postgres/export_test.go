package postgres

// The statements whose plans are looked at.
const (
	FeedStateQuery    = feedStateQuery
	FeedPageQuery     = feedPageQuery
	FeedEmployerQuery = feedEmployerQuery
)
