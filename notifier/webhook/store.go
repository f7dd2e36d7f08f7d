package webhook

import (
	"context"

	"github.com/bebitcoiner/ashbridge/internal/lease"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Store is the sender's side of the database.
type Store interface {
	lease.Store
	// ActiveReceivers returns the receivers that something may be sent to.
	ActiveReceivers(ctx context.Context) ([]mirror.Receiver, error)
	// Due returns the parcels that are due, of each receiver the oldest up to its limit and of each job the first alone;
	// those in hand are left out. Of events that nothing can be made of any more, the data is null.
	Due(ctx context.Context, rooms []mirror.Room, inHand []int64) ([]mirror.Parcel, error)
	// NoteParcels writes what came of attempts and what was seen of receivers, in one transaction. A parcel that is not
	// pending any more, and a receiver that has another revision or is not active, are left as they are. The end of a parcel
	// makes the next of its job due, and its delivery supersedes the older ones of its job, those that a replay queued
	// meanwhile included.
	NoteParcels(ctx context.Context, outcomes []mirror.ParcelOutcome, changes []mirror.ReceiverChange) error
	// Backlog counts what waits, for the metrics.
	Backlog(ctx context.Context) (mirror.Backlog, error)
}
