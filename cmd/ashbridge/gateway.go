package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// gatewayNotice is how long a gateway goes on serving after it was told to end. Kubernetes takes a pod out of its services
// within a second or so of that, and a balancer that asks /readyz once a second has seen two answers. Who needs longer lets
// the balancer go first, before the signal; what comes too late is refused, and Ashby sends it again ten seconds later.
const gatewayNotice = 2 * time.Second

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
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	p.Notice = gatewayNotice
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
