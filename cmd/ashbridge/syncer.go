package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/config"
)

func newSyncer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "syncer",
		Short: "Run the reader of Ashby: polls and refreshes into Postgres",
		Long:  "Run the reader of Ashby: polls and refreshes into Postgres.\n\nAny number may run; they share the employers among themselves.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runSyncer(cmd) },
	}
	config.RegisterFlags(cmd.Flags())
	return cmd
}

func runSyncer(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	cfg, log, err := loadConfig(cmd, config.Syncer, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	p, err := openProcess(ctx, cfg, log, "syncer")
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	s, err := app.Syncer(p.Parts)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "syncer starts", "owner", p.Owner, "admin_address", cfg.AdminAddr)
	return p.supervise(ctx, p.databaseReady(), s.Run,
		func(ctx context.Context) error { return app.Maintain(ctx, p.Parts) })
}
