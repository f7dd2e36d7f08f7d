package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// simOptions are the flags of sim.
type simOptions struct {
	addr          string
	organization  string
	postings      int
	seed          uint64
	churn         time.Duration
	latency       time.Duration
	webhookBase   string
	webhookSecret string
}

func newSim() *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run a simulated Ashby with one organisation, for trying things out",
		Long: "Run a simulated Ashby with one organisation, for trying things out.\n\n" +
			"It prints an API key. Point Ashbridge at it with ASHBRIDGE_ASHBY_URL and ASHBRIDGE_ALLOW_PRIVATE_ASHBY=true,\n" +
			"register the key, and start the simulator again with --webhook-base and --webhook-secret from the answer\n" +
			"to have webhooks delivered. The same seed makes the same organisation and the same key.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSim(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:8090", "address to listen on")
	f.StringVar(&o.organization, "organization", "northwind", "slug of the organisation")
	f.IntVar(&o.postings, "postings", 40, "how many postings it starts with")
	f.Uint64Var(&o.seed, "seed", 1, "decides all generated data, and the key")
	f.DurationVar(&o.churn, "churn", 0, "how often something changes, 0 for never")
	f.DurationVar(&o.latency, "latency", 0, "how long each answer takes")
	f.StringVar(&o.webhookBase, "webhook-base", "", "address before the event type, as https://host/hooks/ashby/<token>")
	f.StringVar(&o.webhookSecret, "webhook-secret", "", "secret that signs the webhooks")
	return cmd
}

func runSim(cmd *cobra.Command, o simOptions) error {
	ctx := cmd.Context()
	log, err := telemetry.NewLogger(slog.LevelInfo, "text", cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	sim := ashbytest.New(ashbytest.Options{Seed: o.seed, Latency: o.latency, Logger: log})
	defer sim.Close()
	org := sim.AddOrganization(o.organization, o.organization)
	org.Generate(o.postings)
	key := org.AddKey(ashbytest.KeyOptions{Title: "Ashbridge"})
	ln, err := listen(ctx, o.addr, "--addr")
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	_, _ = fmt.Fprintf(out, "simulated Ashby   http://%s\nAPI key           %s\n", ln.Addr(), key)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serveSim(ctx, ln, sim) })
	g.Go(func() error {
		if o.webhookBase != "" {
			if err := addWebhooks(org, webhookURLs(o.webhookBase), o.webhookSecret); err != nil {
				return err
			}
		}
		return churn(ctx, org, o.churn, func(what string) { _, _ = fmt.Fprintln(out, what) })
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// serveSim serves the simulator until ctx ends.
func serveSim(ctx context.Context, ln net.Listener, sim *ashbytest.Simulator) error {
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving the simulator: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return g.Wait()
}

// churn changes something about every interval, until ctx ends.
func churn(ctx context.Context, org *ashbytest.Organization, interval time.Duration, tell func(string)) error {
	if interval <= 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) //nolint:gosec // a demo's changes need no secrecy
	for {
		pause := interval/2 + time.Duration(rng.Int64N(int64(interval)))
		if err := loop.Sleep(ctx, pause); err != nil {
			return err
		}
		tell(org.ChurnOnce(rng))
	}
}
