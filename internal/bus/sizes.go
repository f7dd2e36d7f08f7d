package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamSize is how full a stream is and how many servers keep it.
type StreamSize struct {
	Name            string
	Bytes, Messages uint64
	// MaxBytes is where it is full, -1 where it has no bound.
	MaxBytes int64
	// Replicas is how many servers are to keep it, Current how many do and have all of it.
	Replicas, Current int
}

// StreamSizes returns how full the streams are that there are. Where some of them cannot be asked for, it returns the others
// beside the error.
func (b *Bus) StreamSizes(ctx context.Context) ([]StreamSize, error) {
	if !b.nc.IsConnected() {
		return nil, errDisconnected
	}
	var sizes []StreamSize
	var errs []error
	for _, shape := range b.streams() {
		size, err := b.streamSize(ctx, shape.Name)
		switch {
		case err == nil:
			sizes = append(sizes, size)
		case !errors.Is(err, ErrNoStream):
			errs = append(errs, fmt.Errorf("asking for the size of %s: %w", shape.Name, err))
		}
	}
	return sizes, errors.Join(errs...)
}

func (b *Bus) streamSize(ctx context.Context, name string) (StreamSize, error) {
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	stream, err := b.js.Stream(ctx, name)
	if err != nil {
		return StreamSize{}, streamError(ctx, err)
	}
	info := stream.CachedInfo()
	return StreamSize{
		Name: name, Bytes: info.State.Bytes, Messages: info.State.Msgs,
		MaxBytes: info.Config.MaxBytes, Replicas: max(1, info.Config.Replicas), Current: current(info.Cluster),
	}, nil
}

// current counts the servers that have all of a stream. One server alone tells nothing of a cluster.
func current(c *jetstream.ClusterInfo) int {
	if c == nil {
		return 1
	}
	n := 0
	if c.Leader != "" {
		n++
	}
	for _, peer := range c.Replicas {
		if peer.Current && !peer.Offline {
			n++
		}
	}
	return n
}
