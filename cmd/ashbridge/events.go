package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

func newEvents() *cobra.Command {
	return group("events", "Look at the stream of events, compare it with Postgres, replay it to a board",
		newEventsTail(), newEventsVerify(), newEventsReplay())
}

// openReader connects to NATS to read: it makes and changes no stream.
func openReader(ctx context.Context, cfg config.Config, log *slog.Logger, name string) (*bus.Bus, error) {
	return bus.Connect(ctx, bus.Options{
		URL: cfg.NATSURL.Reveal(), Name: "ashbridge " + name, CredentialsFile: cfg.NATSCredsFile, Logger: log, Reader: true,
	})
}

// loadQuietly reads the configuration of a command that works on the services' servers, those of `ashbridge up` too. Of what
// is logged, only warnings are shown unless more was asked for.
func loadQuietly(cmd *cobra.Command, needs config.Needs) (config.Config, *slog.Logger, error) {
	if err := quietByDefault(cmd); err != nil {
		return config.Config{}, nil, err
	}
	cfg, err := config.LoadBeside(config.Environ(), cmd.Flags(), needs)
	if err != nil {
		return config.Config{}, nil, err
	}
	tellExposed(cmd, cfg)
	log, err := telemetry.NewLogger(cfg.LogLevel, cfg.LogFormat, cmd.ErrOrStderr())
	return cfg, log, err
}

// tellExposed tells of secrets that others can read.
func tellExposed(cmd *cobra.Command, cfg config.Config) {
	for _, w := range cfg.Warnings {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
}
