// Package board is a small job board on Ashbridge's events: a list with search and filters, a page for each job, and
// both change while they are looked at. It is an example to copy from, and imports of Ashbridge what any board may
// import: the package jobfeed and the contract in schema/events.
//
// It guarantees that a job is shown in its latest state only: an event that comes again, or late, changes nothing, and a
// closed job is shown nowhere and answers 410 at its address. With Postgres a job and the position in the stream are
// committed together, so that neither a crash nor a restart loses an event or applies it twice.
package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/jobfeed"
)

const (
	// maxHeaders bounds a request's headers in bytes; ours are small.
	maxHeaders = 16 << 10
	// requestTimeout bounds the reading and the answering of a request, but for the live stream.
	requestTimeout = 15 * time.Second
	// stopPatience is how long requests may take to end when the board stops.
	stopPatience = 3 * time.Second
)

// Options configure a board.
type Options struct {
	// Feed says where the events come from. Its Positions, OnCaughtUp and Logger are the board's own.
	Feed jobfeed.Options
	// Store keeps the jobs; in memory where nil.
	Store Store
	// Name is the board's, "Openings" where empty.
	Name string
	// PublicURL is the board's address for canonical links, without a slash at the end; "" makes it that of the request.
	PublicURL string
	// MaxLive is how many pages may be watched at once; 1,000 where zero.
	MaxLive int
	// Logger is silent where nil.
	Logger *slog.Logger
}

// Board is a job board. Use New.
type Board struct {
	o        Options
	store    Store
	hub      *hub
	pages    *pages
	log      *slog.Logger
	caughtUp atomic.Bool
	// heartbeat is the pause between two signs of life on a live stream; now is the clock. Tests change both.
	heartbeat time.Duration
	now       func() time.Time
}

// New makes a board that does not run yet.
func New(o Options) (*Board, error) {
	if o.Store == nil {
		o.Store = NewMemory()
	}
	if o.Name == "" {
		o.Name = "Openings"
	}
	if o.MaxLive == 0 {
		o.MaxLive = 1000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	return &Board{
		o: o, store: o.Store, hub: newHub(o.MaxLive), pages: pages, log: o.Logger,
		heartbeat: 15 * time.Second, now: time.Now,
	}, nil
}

// Run serves the pages on ln and follows the events until its context ends, and closes ln. It returns nil after an orderly stop.
func (b *Board) Run(stopping context.Context, ln net.Listener) error {
	o := b.o.Feed
	o.Positions, o.Logger = b.store.Positions(), b.log
	o.OnCaughtUp = func() { b.caughtUp.Store(true) }
	feed, err := jobfeed.Open(stopping, o)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	g, ctx := errgroup.WithContext(stopping)
	g.Go(func() error { return b.serve(ctx, ln) })
	g.Go(func() error { return feed.Subscribe(ctx, b.Handle) })
	if err = g.Wait(); stopping.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // the stop came while something was still starting
	}
	return errors.Join(err, feed.Close())
}

// Handle takes an event of the feed: it stores the job, and tells the pages that show it.
func (b *Board) Handle(ctx context.Context, e jobfeed.Event) error {
	if e.Job == nil { // of a connection; this board shows nothing of those
		return nil
	}
	job := jobOf(e)
	changed, err := b.store.Apply(ctx, job)
	if err != nil {
		return fmt.Errorf("storing %s: %w", job.Key(), err)
	}
	if changed {
		b.hub.publish(change{
			Key: job.Key(), Version: job.Version, Open: job.Open, Title: job.Title, Employer: job.EmployerName,
		})
	}
	return nil
}

// serve serves until ctx ends. Live streams end at once, so that they do not hold up the stop.
func (b *Board) serve(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler: b.Handler(), MaxHeaderBytes: maxHeaders,
		ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: time.Minute,
	}
	g, serving := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving the board: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-serving.Done()
		b.hub.close()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
		defer cancel()
		if err := server.Shutdown(stopping); err != nil {
			return server.Close() // whoever is still connected has had time enough
		}
		return nil
	})
	return g.Wait()
}
