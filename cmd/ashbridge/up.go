package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/durable"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// upStopTimeout leaves time for all parts to stop within five seconds of a Ctrl-C.
const upStopTimeout = 3 * time.Second

func newUp() *cobra.Command {
	var withDemo bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, with its own Postgres and NATS",
		Long: "Run everything in one process: an embedded NATS, a PostgreSQL made from the installed programs, the tables,\n" +
			"and all three services. ASHBRIDGE_DATABASE_URL or ASHBRIDGE_NATS_URL name other servers instead.\n\n" +
			"With --demo, Ashby is simulated too: one employer is connected, its jobs keep changing, and a job board shows them.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd, withDemo) },
	}
	config.RegisterFlags(cmd.Flags())
	cmd.Flags().BoolVar(&withDemo, "demo", false, "simulate Ashby, with one employer whose jobs keep changing, and a job board")
	return cmd
}

func runUp(cmd *cobra.Command, withDemo bool) (err error) {
	ctx := cmd.Context()
	if withDemo {
		if err := quietByDefault(cmd); err != nil {
			return err
		}
	}
	cfg, log, err := loadConfig(cmd, config.Up, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	u := &upProcess{
		process: process{service: serviceUp, Parts: app.Parts{
			Config: cfg, Log: log, Registry: telemetry.NewRegistry(), Connections: app.NewConnections(cfg.MetricsConnections),
			StopTimeout: upStopTimeout,
		}},
		out: cmd.OutOrStdout(), isDemo: withDemo,
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	if err := u.open(ctx); err != nil {
		return unlessStopped(ctx, err) // Ctrl-C is no failure
	}
	return u.run(ctx)
}

// upProcess is everything in one process.
type upProcess struct {
	process
	out    io.Writer
	isDemo bool
	demo   *demo
	gate   net.Listener
	// publicURL is that of the operator, empty where there is none.
	publicURL string
	// nats is the address at which a client in this machine finds NATS.
	nats string
	// postgres is nil where another server is used.
	postgres *local.Postgres
}

func (u *upProcess) say(format string, args ...any) { _, _ = fmt.Fprintf(u.out, format+"\n", args...) }

// open starts the servers of this process and opens the parts, in the order in which they need one another.
func (u *upProcess) open(ctx context.Context) error {
	if u.isDemo {
		u.Config.DataDir = filepath.Join(u.Config.DataDir, config.DemoName)
	}
	lock, err := local.LockDir(u.Config.DataDir)
	if err != nil {
		return err
	}
	u.closeLater("the data folder", lock.Unlock)
	if u.Owner, err = ownerOf(u.Config.DataDir); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		u.openPostgres, u.openNATS, u.openSecrets, u.openGate, u.openDemo, u.leaveSettings,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (u *upProcess) openPostgres(ctx context.Context) error {
	url := u.Config.DatabaseURL.Reveal()
	if url == "" {
		pg, err := local.StartPostgres(ctx, local.PostgresOptions{
			Dir: filepath.Join(u.Config.DataDir, "postgres"), BinDir: u.Config.PGBin, Logger: u.Log.With("server", "postgres"),
		})
		if err != nil {
			return err
		}
		u.closeLater("PostgreSQL", func() error {
			err := pg.Stop()
			if errors.Is(err, local.ErrForced) { // slow, but nothing is lost
				u.Log.WarnContext(ctx, "PostgreSQL had to be stopped by force", "error", err)
				return nil
			}
			return err
		})
		u.postgres = pg
		url = pg.URL()
		if err := u.leave(config.DatabaseURLName, url); err != nil {
			return err
		}
	}
	db, err := app.OpenDatabase(ctx, postgres.Options{
		URL: url, ApplicationName: "ashbridge up", MaxConns: u.Config.DatabaseMaxConns,
		RecordEvents: u.Config.RecordEvents, Logger: u.Log,
	}, connectPatience)
	if err != nil {
		return err
	}
	u.DB = db
	u.closeLater("the database", db.Close)
	return db.Migrate(ctx)
}

func (u *upProcess) openNATS(ctx context.Context) error {
	o := bus.Options{
		URL: u.Config.NATSURL.Reveal(), Name: "ashbridge up", CredentialsFile: u.Config.NATSCredsFile,
		Replicas: u.Config.NATSReplicas, Records: u.Config.RecordEvents, Logger: u.Log,
	}
	if o.URL == "" {
		if u.Config.NATSReplicas > 1 {
			return fmt.Errorf("ASHBRIDGE_NATS_REPLICAS is %d, and the embedded NATS is one server: "+
				"set ASHBRIDGE_NATS_URL to a cluster, or leave it at 1", u.Config.NATSReplicas)
		}
		if err := u.startNATS(&o); err != nil {
			return err
		}
	}
	u.nats = o.URL
	if err := u.openBus(ctx, o); err != nil {
		return err
	}
	if u.Config.NATSURL == "" { // our own server: its streams are there in milliseconds
		return u.Bus.WaitReady(ctx)
	}
	return nil
}

// leaveSettings keeps what commands beside this process need to know of it.
func (u *upProcess) leaveSettings(context.Context) error {
	cfg := u.Config
	cfg.HTTPAddr, cfg.KeysetFile = u.gate.Addr().String(), u.Keys.Path()
	raw, err := json.Marshal(cfg.Settings(u.publicURL))
	if err != nil {
		return fmt.Errorf("keeping the settings: %w", err)
	}
	return u.leave(config.SettingsName, string(raw))
}

// leave keeps what commands beside this process find it by, an address with its password among them, as long as it runs.
func (u *upProcess) leave(name, content string) error {
	path := filepath.Join(u.Config.DataDir, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing what the last run left: %w", err)
	}
	if err := durable.Create(path, []byte(content+"\n")); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	u.closeLater(name, func() error { return os.Remove(path) })
	return nil
}

// startNATS runs a server that asks who connects, and connects as its administrator, since this process is all services.
func (u *upProcess) startNATS(o *bus.Options) error {
	secrets, err := loadOrMakeNATSSecrets(filepath.Join(u.Config.DataDir, "nats-accounts.json"))
	if err != nil {
		return err
	}
	accounts, err := secrets.accounts(u.Config.NATSIssuer)
	if err != nil {
		return err
	}
	server, err := local.StartNATS(local.NATSOptions{
		Dir: filepath.Join(u.Config.DataDir, "nats"), Addr: u.Config.NATSAddr, AnyPort: true, Accounts: accounts,
		// RECORDS takes 4 GiB, SPILL a half.
		MaxStore: int64(u.Config.JobsMaxGiB+12) << 30, Logger: u.Log.With("server", "nats"),
	})
	if err != nil {
		return err
	}
	u.closeLater("NATS", server.Stop)
	u.Config.NATSIssuer = ashby.Secret(secrets.Issuer)
	if u.Config.NATSPublicURL == "" {
		u.Config.NATSPublicURL = server.URL()
	}
	o.InProcess = server
	if o.URL, err = accounts.WithCredentials(server.URL(), natsconf.UserAdmin); err != nil {
		return err
	}
	if err := u.leave(config.NATSURLName, o.URL); err != nil {
		return err
	}
	file := filepath.Join(u.Config.DataDir, "nats-admin")
	if err := keepAdminVariables(file, server.URL(), accounts.Passwords[natsconf.UserAdmin]); err != nil {
		return err
	}
	u.say("NATS       %s   stream JOBS, subjects jobs.v1.> and connections.v1.>", server.URL())
	if o.Records {
		u.say("           %s   stream RECORDS, subjects records.v1.>", server.URL())
	}
	u.say("           (. %s; nats stream subjects JOBS)   job boards: POST /v1/subscribers", file)
	return nil
}

// openSecrets loads the keyset and the admin token, and makes what is missing in the data folder.
func (u *upProcess) openSecrets(ctx context.Context) error {
	var err error
	if u.Config.KeysetFile != "" {
		u.Keys, err = seal.Load(u.Config.KeysetFile)
	} else {
		u.Keys, err = seal.LoadOrCreate(filepath.Join(u.Config.DataDir, config.KeysetName))
	}
	if err != nil {
		return err
	}
	if err := u.holdKeys(ctx, "up"); err != nil || u.Config.AdminToken != "" {
		return err
	}
	path := filepath.Join(u.Config.DataDir, "admin-token")
	token, isNew, err := loadOrMakeToken(path)
	if err != nil {
		return err
	}
	u.Config.AdminToken = ashby.Secret(token)
	u.showToken(token, path, isNew)
	return nil
}

// showToken shows a new token to a person. An output that is no terminal is kept, as logs of services are, often where
// others read it.
func (u *upProcess) showToken(token, path string, isNew bool) {
	if isNew && isTerminal(u.out) {
		u.say("API token  %s   (shown once; kept in %s)", token, path)
		return
	}
	u.say("API token  in %s", path)
}

// loadOrMakeToken reads the token in the file, or makes one that only this user can read.
func loadOrMakeToken(path string) (token string, isNew bool, err error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		if token = strings.TrimSpace(string(raw)); token != "" {
			return token, false, nil
		}
		return "", false, fmt.Errorf("%s is empty: remove it and a new token is made", path)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", false, fmt.Errorf("reading the API token: %w", err)
	}
	token = "ash_" + strings.ToLower(rand.Text())
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("keeping the API token: %w", err)
	}
	return token, true, nil
}

// openGate opens the public listener; its address is where webhooks are sent unless ASHBRIDGE_PUBLIC_URL says more.
func (u *upProcess) openGate(ctx context.Context) error {
	ln, err := listen(ctx, u.Config.HTTPAddr, "ASHBRIDGE_HTTP_ADDR")
	if err != nil {
		return err
	}
	u.gate, u.publicURL = ln, u.Config.PublicURL
	u.closeLater("the public listener", func() error { _ = ln.Close(); return nil }) // closed by the gateway, as a rule
	if u.Config.PublicURL == "" {
		u.Config.PublicURL = "http://" + ln.Addr().String()
	}
	u.say("API        %s   described at /openapi.yaml", u.Config.PublicURL)
	u.say("metrics    http://%s/metrics   health at /livez and /readyz", u.Config.AdminAddr)
	return nil
}

func (u *upProcess) openDemo(ctx context.Context) error {
	if !u.isDemo {
		return nil
	}
	d, err := newDemo(ctx, u.Config.DataDir, func(s string) { u.say("%s", s) })
	if err != nil {
		return err
	}
	if d.board, err = newDemoBoard(ctx, u.nats, u.Log); err != nil {
		return err
	}
	u.demo = d
	u.Config.AshbyURL, u.Config.AllowPrivateAshby, u.Config.AllowPrivateEndpoints = d.url(), true, true
	u.say("Ashby      %s   simulated, %d postings", d.url(), len(d.org.Postings()))
	return nil
}

// run runs the services, and the demo, until ctx ends or one of them fails.
func (u *upProcess) run(ctx context.Context) error {
	printer := newEventPrinter(u.out)
	var published func(events.Event, mirror.Outgoing)
	if u.isDemo {
		published = printer.print
	}
	gateway, err := app.Gateway(u.Parts)
	if err != nil {
		return err
	}
	syncer, err := app.Syncer(u.Parts)
	if err != nil {
		return err
	}
	notifier, err := app.Notifier(u.Parts, published)
	if err != nil {
		return err
	}
	webhooks, err := app.Webhooks(u.Parts)
	if err != nil {
		return err
	}
	parts := []runner{
		func(ctx context.Context) error { return gateway.Run(ctx, u.gate) },
		syncer.Run, notifier.Run, webhooks.Run,
		func(ctx context.Context) error { return app.Maintain(ctx, u.Parts) },
	}
	if u.postgres != nil {
		parts = append(parts, u.postgres.Wait)
	}
	if u.demo != nil {
		client := apiclient.New(apiclient.Options{Base: "http://" + u.gate.Addr().String(), Token: u.Config.AdminToken, Agent: "ashbridge/" + version})
		defer client.Close()
		parts = append(parts, func(ctx context.Context) error {
			return u.demo.run(ctx, client)
		})
	}
	err = u.supervise(ctx, u.ready(gateway.Ready), parts...)
	u.say("stopping")
	return err
}

// ready are the conditions of this process. While Postgres is away it stays ready, since webhooks are kept on SPILL, and says
// that nothing else goes on.
func (u *upProcess) ready(gateway func(context.Context) error) []telemetry.Check {
	return []telemetry.Check{{Name: "gateway", Run: gateway}, {Name: "postgres", Run: u.DB.Ping, Advisory: true}}
}

// together runs all until ctx ends or one fails.
func together(ctx context.Context, parts ...runner) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range parts {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}
