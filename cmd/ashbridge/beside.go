package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// loadBeside reads the configuration of a command that works on the services' servers, those of `ashbridge up` too. Of what
// is logged, only warnings are shown unless more was asked for.
func loadBeside(cmd *cobra.Command, needs config.Needs) (config.Config, *slog.Logger, error) {
	if err := quietByDefault(cmd); err != nil {
		return config.Config{}, nil, err
	}
	cfg, err := config.LoadBeside(config.Environ(), cmd.Flags(), needs)
	if err != nil {
		return config.Config{}, nil, err
	}
	log, err := telemetry.NewLogger(cfg.LogLevel, cfg.LogFormat, cmd.ErrOrStderr())
	return cfg, log, err
}
