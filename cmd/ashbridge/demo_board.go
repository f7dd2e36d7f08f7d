package main

import (
	"context"
	"log/slog"
	"net"

	"github.com/bebitcoiner/ashbridge/examples/jobboard/board"
	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// demoBoard is the example job board in this process, so that a newcomer sees what the events are for. It keeps its jobs
// in memory and reads them all again at each start.
type demoBoard struct {
	ln   net.Listener
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
func (d *demoBoard) run(ctx context.Context, tell func(string)) error {
	b, err := board.New(board.Options{Feed: d.feed(), Name: "Openings", Logger: d.log})
	if err != nil {
		return err
	}
	tell("board      http://" + d.ln.Addr().String() + "   the example job board")
	if err := b.Run(ctx, d.ln); err != nil && ctx.Err() == nil {
		tell("the board has stopped: " + err.Error())
	}
	return nil
}

// feed says how the board reaches the events: it reads the stream itself.
func (d *demoBoard) feed() jobfeed.Options { return jobfeed.Options{URL: d.nats} }
