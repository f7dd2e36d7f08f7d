package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"text/tabwriter"
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
	candidates    int
	faults        []string
	listFaults    bool
}

func newSim() *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run a simulated Ashby with one organisation, for trying things out",
		Long: "Run a simulated Ashby with one organisation, for trying things out.\n\n" +
			"It prints an API key. Point Ashbridge at it with ASHBRIDGE_ASHBY_URL and ASHBRIDGE_ALLOW_PRIVATE_ASHBY=true,\n" +
			"register the key, and start the simulator again with --webhook-base and --webhook-secret from the answer\n" +
			"to have webhooks delivered. The same seed makes the same organisation and the same key.\n\n" +
			"--fault name[@page][:method][:count] makes requests fail; it may be given several times, and --list-faults\n" +
			"prints the names. For example --fault soft-error@2:candidate.list:1 refuses the second page of candidates once.\n\n" +
			"A running simulator is steered under /_sim/ at its address, by whoever reaches it:\n" +
			"  GET, POST, DELETE /_sim/faults   {\"name\",\"method\",\"org\",\"count\",\"page\",\"field\"}\n" +
			"  GET               /_sim/state    counts by organisation and kind\n" +
			"  POST              /_sim/edit     {\"edit\":\"unpublish\",\"id\",…}; a wrong edit is answered with their names\n" +
			"  POST              /_sim/webhooks {\"muted\",\"shuffle_ms\",\"copies\"}\n" +
			"  GET               /_sim/requests what was asked, from ?since= (RFC 3339) on",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.listFaults {
				return listFaults(cmd.OutOrStdout())
			}
			return runSim(cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:8090", "address to listen on")
	f.StringVar(&o.organization, "organization", "northwind", "slug of the organisation")
	f.IntVar(&o.postings, "postings", 40, "how many postings it starts with")
	f.IntVar(&o.candidates, "candidates", 0, "how many candidates it starts with")
	f.Uint64Var(&o.seed, "seed", 1, "decides all generated data, and the key")
	f.DurationVar(&o.churn, "churn", 0, "how often something changes, 0 for never")
	f.DurationVar(&o.latency, "latency", 0, "how long each answer takes")
	f.StringVar(&o.webhookBase, "webhook-base", "", "address before the event type, as https://host/hooks/ashby/<token>")
	f.StringVar(&o.webhookSecret, "webhook-secret", "", "secret that signs the webhooks")
	f.StringArrayVar(&o.faults, "fault", nil, "fault to switch on, as name[@page][:method][:count]; repeatable")
	f.BoolVar(&o.listFaults, "list-faults", false, "print the names of all faults, and end")
	cmd.AddCommand(newSimConnect())
	return cmd
}

// listFaults prints what --fault takes.
func listFaults(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range ashbytest.Faults() {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", f.Name, f.Description) // Flush reports it
	}
	return w.Flush()
}

// newSimulation makes the simulator that the flags describe, with its key.
func newSimulation(o simOptions, log *slog.Logger) (sim *ashbytest.Simulator, org *ashbytest.Organization, key string, err error) {
	faults := make([]ashbytest.Fault, 0, len(o.faults))
	for _, text := range o.faults {
		f, err := ashbytest.ParseFault(text)
		if err != nil {
			return nil, nil, "", fmt.Errorf("--fault: %w", err)
		}
		faults = append(faults, f)
	}
	if o.postings < 0 || o.candidates < 0 {
		return nil, nil, "", errors.New("--postings and --candidates are numbers from 0")
	}
	sim = ashbytest.New(ashbytest.Options{Seed: o.seed, Latency: o.latency, Logger: log, Control: true})
	for _, f := range faults {
		sim.Inject(f)
	}
	org = sim.AddOrganization(o.organization, o.organization)
	org.Generate(o.postings)
	org.GenerateHiring()
	if o.candidates > 0 {
		org.GenerateCandidates(o.candidates)
	}
	return sim, org, org.AddKey(ashbytest.KeyOptions{Title: "Ashbridge", Scopes: ashbytest.AllScopes()}), nil
}

func runSim(cmd *cobra.Command, o simOptions) error {
	ctx := cmd.Context()
	log, err := telemetry.NewLogger(slog.LevelInfo, "text", cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	sim, org, key, err := newSimulation(o, log)
	if err != nil {
		return err
	}
	defer sim.Close()
	ln, err := listen(ctx, o.addr, "--addr")
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	_, _ = fmt.Fprintf(out, "simulated Ashby   http://%[1]s\nAPI key           %[2]s\nsteered at        http://%[1]s/_sim/state\n", ln.Addr(), key)
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
