package jobfeed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"

	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// A subscriber's user and password come from POST /v1/subscribers.
func ExampleOpen() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	feed, err := jobfeed.Open(ctx, jobfeed.Options{
		URL:        os.Getenv("ASHBRIDGE_NATS"),
		User:       os.Getenv("ASHBRIDGE_USER"),
		Password:   os.Getenv("ASHBRIDGE_PASSWORD"),
		OnCaughtUp: func() { log.Info("the board is complete") },
		Logger:     log,
	})
	if errors.Is(err, jobfeed.ErrRefused) {
		log.Error("ask Ashbridge for a new password", "error", err)
		return
	}
	if err != nil {
		log.Error("no jobs", "error", err)
		return
	}
	defer func() { _ = feed.Close() }()
	err = feed.Subscribe(ctx, func(_ context.Context, e jobfeed.Event) error {
		log.Info("an event", "type", e.Type, "job", e.Key(), "version", e.Version)
		return nil
	})
	if err != nil {
		log.Error("the feed ended", "error", err)
	}
}

// A board in memory that runs beside Ashbridge: three jobs, of which one was changed and one is closed.
func ExampleFeed_Subscribe() {
	url, stop := exampleServer()
	defer stop()

	ctx, cancel := context.WithCancel(context.Background())
	feed, err := jobfeed.Open(ctx, jobfeed.Options{
		URL:        url,
		Parallel:   1,      // so that the lines below come in order
		OnCaughtUp: cancel, // a board would go on
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = feed.Close() }()

	err = feed.Subscribe(ctx, func(_ context.Context, e jobfeed.Event) error {
		switch {
		case e.Job == nil: // an event of the employer's connection
		case e.Type == events.JobClosed:
			fmt.Println("closed:", e.Job.Job.Title)
		default:
			fmt.Printf("open, version %d: %s\n", e.Version, e.Job.Job.Title)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// open, version 1: Baker
	// open, version 2: Senior Pilot
	// closed: Diver
	// <nil>
}

// An event that this board can never take is passed over, instead of being tried again for ever.
func ExampleHandler() {
	var handler jobfeed.Handler = func(_ context.Context, e jobfeed.Event) error {
		if e.Job != nil && len(e.Job.Job.Title) > 20 {
			return fmt.Errorf("a title of %d bytes: %w", len(e.Job.Job.Title), jobfeed.Skip)
		}
		return nil
	}
	job := events.JobData{Job: events.Job{Title: "Assistant to the Regional Manager"}}
	fmt.Println(handler(context.Background(), jobfeed.Event{Job: &job}))
	// Output: a title of 33 bytes: event skipped by its handler
}
