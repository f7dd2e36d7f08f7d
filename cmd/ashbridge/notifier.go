package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/config"
)

func newNotifier() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notifier",
		Short: "Run the relay: committed events onto NATS JetStream, and to webhook endpoints",
		Long: "Run the relay: committed events onto NATS JetStream, and to webhook endpoints.\n\n" +
			"Several may run; one relays and one sends webhooks, the others stand by.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runNotifier(cmd) },
	}
	config.RegisterFlags(cmd.Flags())
	return cmd
}

func runNotifier(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	cfg, log, err := loadConfig(cmd, config.Notifier, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	p, err := openProcess(ctx, cfg, log, "notifier")
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	n, err := app.Notifier(p.Parts, nil)
	if err != nil {
		return err
	}
	w, err := app.Webhooks(p.Parts)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "notifier starts", "owner", p.Owner, "admin_address", cfg.AdminAddr)
	return p.supervise(ctx, p.databaseReady(), n.Run, w.Run)
}
