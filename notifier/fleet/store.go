package fleet

import (
	"context"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Store is the fleet's side of the database.
type Store interface {
	// Fleet looks at all connections together, and names at most named of them, those that were registered first.
	Fleet(ctx context.Context, named int) (mirror.Fleet, error)
	// PublicJobs counts the jobs that are public, which takes long where there are many.
	PublicJobs(ctx context.Context) (int, error)
}

// Bus is the fleet's side of NATS.
type Bus interface {
	// StreamSizes returns how full the streams are that there are. Beside an error it returns those that were told.
	StreamSizes(ctx context.Context) ([]bus.StreamSize, error)
}
