package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/bebitcoiner/ashbridge/examples/jobboard/board"
	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// demoBoardName names the board among the subscribers.
const demoBoardName = "the demo's job board"

// demoBoard is the example job board in this process, so that a newcomer sees what the events are for. It keeps its jobs
// in memory and is told all of them again at each start.
type demoBoard struct {
	ln net.Listener
	// nats is where the stream can be read by whoever may read all of it.
	nats string
	log  *slog.Logger
}

// newDemoBoard opens the listener.
func newDemoBoard(ctx context.Context, nats string, log *slog.Logger) (*demoBoard, error) {
	ln, err := listenNear(ctx, "127.0.0.1:8070")
	if err != nil {
		return nil, err
	}
	return &demoBoard{ln: ln, nats: nats, log: log.With("part", "board")}, nil
}

// run serves the board until ctx ends. It is what the demo shows, not what it needs: a board that fails says why and
// leaves the rest running.
func (d *demoBoard) run(ctx context.Context, c *apiclient.Client, tell func(string)) error {
	if err := d.serve(ctx, c, tell); err != nil && ctx.Err() == nil {
		tell("the board has stopped: " + err.Error())
	}
	return nil
}

func (d *demoBoard) serve(ctx context.Context, c *apiclient.Client, tell func(string)) error {
	feed, err := d.subscribe(ctx, c)
	if err != nil {
		return errors.Join(fmt.Errorf("subscribing the demo's board: %w", err), d.ln.Close())
	}
	b, err := board.New(board.Options{Feed: feed, Name: "Openings", Logger: d.log})
	if err != nil {
		return errors.Join(err, d.ln.Close())
	}
	tell("board      http://" + d.ln.Addr().String() + "   the example job board")
	return b.Run(ctx, d.ln)
}

// subscribe makes the board a subscriber, as any board is one. A gateway that lets no boards in, because it has no issuer,
// leaves the stream itself to be read.
func (d *demoBoard) subscribe(ctx context.Context, c *apiclient.Client) (jobfeed.Options, error) {
	s, err := subscribeBoard(ctx, c)
	if refused, ok := errors.AsType[*apiclient.Problem](err); ok && (refused.Status == http.StatusConflict || refused.Status == http.StatusNotFound) {
		return jobfeed.Options{URL: d.nats}, nil
	}
	return jobfeed.Options{URL: s.URL, User: s.User, Password: s.Password}, err
}

// subscribeBoard makes a subscriber. That of an earlier run gets a new password, since the old one was shown once, and a
// replay, since the board has forgotten what it was told.
func subscribeBoard(ctx context.Context, c *apiclient.Client) (apiclient.Subscriber, error) {
	s, isKnown, err := knownSubscriber(ctx, c)
	if err != nil {
		return apiclient.Subscriber{}, err
	}
	if !isKnown {
		_, err = c.Call(ctx, http.MethodPost, "/v1/subscribers", map[string]any{"name": demoBoardName}, &s)
		return s, err
	}
	path := "/v1/subscribers/" + s.ID
	if _, err := c.Call(ctx, http.MethodPost, path+"/rotate", nil, &s); err != nil {
		return apiclient.Subscriber{}, err
	}
	_, err = c.Call(ctx, http.MethodPost, path+"/replay", map[string]any{"snapshot": true}, nil)
	return s, err
}

// knownSubscriber finds the board's subscriber of an earlier run.
func knownSubscriber(ctx context.Context, c *apiclient.Client) (s apiclient.Subscriber, isKnown bool, err error) {
	page, err := apiclient.List[apiclient.Subscriber](ctx, c, "/v1/subscribers", "subscribers", nil, 0)
	if err != nil {
		return apiclient.Subscriber{}, false, err
	}
	for _, s := range page.Items {
		if s.Name == demoBoardName {
			return s, true, nil
		}
	}
	return apiclient.Subscriber{}, false, nil
}
