package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

func newGateway() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Run the HTTP front: registrations, webhooks, jobs",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runGateway(cmd) },
	}
	config.RegisterFlags(cmd.Flags())
	return cmd
}

func runGateway(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	cfg, log, err := loadConfig(cmd, config.Gateway, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	p, err := openProcess(ctx, cfg, log, "gateway")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	g, err := app.Gateway(p.Parts)
	if err != nil {
		return err
	}
	ln, err := listen(ctx, cfg.HTTPAddr, "ASHBRIDGE_HTTP_ADDR")
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "gateway listens", "address", ln.Addr().String(), "admin_address", cfg.AdminAddr)
	return p.supervise(ctx, []telemetry.Check{{Name: "gateway", Run: g.Ready}}, func(ctx context.Context) error { return g.Run(ctx, ln) })
}
