package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// commitTime bounds one commit; Postgres that hangs counts as down.
	commitTime = 2 * time.Second
	// commitRest is how long commits are refused at once after one failed, so that webhooks go to SPILL without
	// waiting for a Postgres that is down.
	commitRest = time.Second
)

// errQueueFull: so many webhooks wait for a commit that another one would wait too long.
var errQueueFull = errors.New("commit queue is full")

// errStoreRests: the last commit failed a moment ago.
var errStoreRests = fmt.Errorf("a commit failed a moment ago: %w", mirror.ErrUnavailable)

// waiting is a delivery whose handler waits for the commit.
type waiting struct {
	delivery mirror.Delivery
	done     chan error // holds one
}

// ingest commits webhooks in groups: a committer takes what queued during its last commit. There is no timer: a lone
// webhook is committed at once, and the busier it gets, the larger the groups.
type ingest struct {
	commit    func(ctx context.Context, ds []mirror.Delivery) error
	now       func() time.Time
	batchSize int
	metrics   *metrics
	queue     chan waiting
	// restUntil is in Unix nanoseconds; zero while commits work.
	restUntil atomic.Int64
}

func newIngest(o Options, m *metrics) *ingest {
	return &ingest{
		commit: o.Inbox.Commit, now: o.Now, batchSize: o.BatchSize, metrics: m,
		queue: make(chan waiting, o.QueueSize),
	}
}

// put returns nil once the delivery is committed, errQueueFull at once where too many wait, and any other error where
// it is not known to be committed.
func (in *ingest) put(ctx context.Context, d mirror.Delivery) error {
	if until := in.restUntil.Load(); until != 0 && in.now().UnixNano() < until {
		return errStoreRests
	}
	w := waiting{delivery: d, done: make(chan error, 1)}
	select {
	case in.queue <- w:
	default:
		return errQueueFull
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the commit of a webhook: %w", ctx.Err())
	}
}

// run commits until ctx ends, then what is still queued.
func (in *ingest) run(ctx context.Context) {
	batch := make([]waiting, 0, in.batchSize)
	for {
		batch = batch[:0]
		select {
		case w := <-in.queue:
			batch = append(batch, w)
		case <-ctx.Done():
			select {
			case w := <-in.queue:
				batch = append(batch, w)
			default:
				return
			}
		}
		in.metrics.queue.Set(float64(len(in.queue) + 1))
		in.commitBatch(context.WithoutCancel(ctx), in.fill(batch))
	}
}

// fill adds what is queued now.
func (in *ingest) fill(batch []waiting) []waiting {
	for len(batch) < in.batchSize {
		select {
		case w := <-in.queue:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// commitBatch commits and tells the handlers, never the other way round.
func (in *ingest) commitBatch(ctx context.Context, batch []waiting) {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	ds := make([]mirror.Delivery, len(batch))
	for i, w := range batch {
		ds[i] = w.delivery
	}
	started := in.now()
	err := in.commit(ctx, ds)
	in.metrics.commits.Observe(in.now().Sub(started).Seconds())
	in.metrics.batches.Observe(float64(len(ds)))
	if err != nil {
		in.metrics.commitErr.Inc()
		in.restUntil.Store(in.now().Add(commitRest).UnixNano())
		err = fmt.Errorf("committing webhooks: %w", err)
	} else if in.restUntil.Load() != 0 {
		in.restUntil.Store(0)
	}
	for _, w := range batch {
		w.done <- err
	}
}
