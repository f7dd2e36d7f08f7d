package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

// maintainEvery is how often partitions of the event log are made and dropped.
const maintainEvery = time.Hour

// OpenDatabase opens the database, waiting up to patience for a server that is not there yet.
func OpenDatabase(ctx context.Context, o postgres.Options, patience time.Duration) (*postgres.DB, error) {
	deadline := time.Now().Add(patience)
	backoff := loop.Backoff{Min: 100 * time.Millisecond, Max: 2 * time.Second}
	for {
		db, err := postgres.Open(ctx, o)
		if err == nil {
			return db, nil
		}
		if !errors.Is(err, mirror.ErrUnavailable) || time.Now().After(deadline) {
			return nil, err
		}
		if err := loop.Sleep(ctx, backoff.Next()); err != nil {
			return nil, fmt.Errorf("waiting for the database: %w", err)
		}
	}
}

// Maintain keeps the tables in shape until ctx ends. Any number of processes may run it.
func Maintain(ctx context.Context, p Parts) error {
	return loop.Every(ctx, loop.Options{Interval: maintainEvery, Jitter: 0.1, OnError: func(ctx context.Context, err error) {
		p.Log.WarnContext(ctx, "maintenance of the tables failed", "error", err)
	}}, p.DB.Maintain)
}
