package postgres

import (
	"context"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// The statements whose plans are looked at.
const (
	FeedStateQuery    = feedStateQuery
	FeedPageQuery     = feedPageQuery
	FeedEmployerQuery = feedEmployerQuery
)

// CancelGrace is how long a server has to answer a call whose context ended.
const CancelGrace = cancelGrace

// HeldBy returns a hold by its id. mirror.ErrNotFound.
func (g Gateway) HeldBy(ctx context.Context, id string) (mirror.HeldView, error) {
	view, err := heldBy(ctx, g.db.x, id)
	return view, wrap(ctx, "reading a hold", err)
}
