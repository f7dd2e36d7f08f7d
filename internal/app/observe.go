package app

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// namedEvery is how often a process looks which connections have series of their own.
const namedEvery = 15 * time.Second

// NewConnections bounds how many connections have series of their own.
func NewConnections(limit int) *telemetry.Bounded { return telemetry.NewBounded("connection", limit) }

// ShowProcess has the registry show what this process is and how its connections to Postgres and NATS are. dir is the
// folder of the process's own servers, "" where it has none; disk looks at it.
func ShowProcess(p Parts, service, version, dir string, disk func(string) (free, size uint64, err error)) error {
	return telemetry.ShowProcess(p.Registry, telemetry.Process{
		Service: service, Version: version, Pool: p.DB.Pool(), Connected: p.Bus.Connected, Connects: p.Bus.Generation,
		Dir: dir, Disk: disk,
	})
}

// KeepConnections keeps the connections with series of their own those that were registered first, until ctx ends: the
// same ones in each process, and none that is removed.
func KeepConnections(ctx context.Context, p Parts) error {
	return loop.Every(ctx, loop.Options{Interval: namedEvery, Jitter: 0.1, OnError: func(ctx context.Context, err error) {
		p.Log.WarnContext(ctx, "connections for the metrics not read", "error", err)
	}}, func(ctx context.Context) error {
		ids, err := p.DB.FirstConnections(ctx, p.Connections.Limit())
		if err == nil {
			p.Connections.Keep(ids)
		}
		return err
	})
}
