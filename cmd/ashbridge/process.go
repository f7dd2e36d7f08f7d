package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// serviceUp is the name of everything in one process.
const serviceUp = "up"

// connectPatience is how long a service waits at its start for Postgres before it gives up and leaves the rest to its
// supervisor.
const connectPatience = 30 * time.Second

// process is what one run of a service command has opened. Close undoes it in reverse.
type process struct {
	app.Parts
	service string
	// keyholder is nil where there is no keyset.
	keyholder *app.Keyholder
	closers   []func() error
}

// closeLater registers what undoes a step, by name.
func (p *process) closeLater(name string, undo func() error) {
	p.closers = append(p.closers, func() error {
		if err := undo(); err != nil {
			return fmt.Errorf("closing %s: %w", name, err)
		}
		return nil
	})
}

// Close closes what was opened, last first, and joins the errors.
func (p *process) Close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}

// loadConfig reads the configuration and makes the logger, which writes to errOut.
func loadConfig(cmd *cobra.Command, needs config.Needs, errOut io.Writer) (config.Config, *slog.Logger, error) {
	cfg, err := config.Load(config.Environ(), cmd.Flags(), needs)
	if err != nil {
		return config.Config{}, nil, err
	}
	log, err := telemetry.NewLogger(cfg.LogLevel, cfg.LogFormat, errOut)
	if err != nil {
		return config.Config{}, nil, err
	}
	for _, w := range cfg.Warnings {
		log.WarnContext(cmd.Context(), "others can read a secret", "found", w.Found, "do", w.Do)
	}
	return cfg, log, nil
}

// quietByDefault raises the level to warnings unless one was asked for, where events are to be seen on the terminal.
func quietByDefault(cmd *cobra.Command) error {
	if cmd.Flags().Changed("log-level") || config.Environ()[config.Prefix+"LOG_LEVEL"] != "" {
		return nil
	}
	return cmd.Flags().Set("log-level", "warn")
}

// openProcess connects a service that runs apart to its Postgres and NATS.
func openProcess(ctx context.Context, cfg config.Config, log *slog.Logger, service string) (*process, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	p := &process{service: service, Parts: app.Parts{
		Config: cfg, Log: log, Registry: telemetry.NewRegistry(), Connections: app.NewConnections(cfg.MetricsConnections),
		Owner: service + "@" + host + "/" + uuid.NewString(),
	}}
	if err := p.open(ctx, service); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.holdKeys(ctx, service); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *process) open(ctx context.Context, service string) error {
	if p.Config.KeysetFile != "" {
		keys, err := seal.Load(p.Config.KeysetFile)
		if err != nil {
			return err
		}
		p.Keys = keys
	}
	db, err := openTables(ctx, postgres.Options{
		URL: p.Config.DatabaseURL.Reveal(), ApplicationName: "ashbridge " + service,
		MaxConns: p.Config.DatabaseMaxConns, RecordEvents: p.Config.RecordEvents, Logger: p.Log,
	})
	if err != nil {
		return err
	}
	p.DB = db
	p.closeLater("the database", db.Close)
	return p.openBus(ctx, bus.Options{
		URL: p.Config.NATSURL.Reveal(), Name: "ashbridge " + service, Service: service,
		CredentialsFile: p.Config.NATSCredsFile, Replicas: p.Config.NATSReplicas, Records: p.Config.RecordEvents, Logger: p.Log,
	})
}

// openTables opens a database whose tables this program can work with. The caller closes it.
func openTables(ctx context.Context, o postgres.Options) (*postgres.DB, error) {
	db, err := app.OpenDatabase(ctx, o, connectPatience)
	if err != nil {
		return nil, err
	}
	if err := db.CheckSchema(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// holdKeys says which keys this process has, before it seals or opens anything.
func (p *process) holdKeys(ctx context.Context, service string) error {
	if p.Keys == nil {
		return nil
	}
	p.keyholder = app.NewKeyholder(p.Parts, service)
	if err := p.keyholder.Enter(ctx); err != nil {
		return err
	}
	p.closeLater("the keyset", func() error {
		if err := p.keyholder.Leave(ctx); err != nil { // it is forgotten in any case, later
			p.Log.WarnContext(ctx, "keys of this process not let go", "error", err)
		}
		return nil
	})
	return nil
}

func (p *process) openBus(ctx context.Context, o bus.Options) error {
	o.MaxBytesJobs = int64(p.Config.JobsMaxGiB) << 30
	b, err := bus.Connect(ctx, o)
	if err != nil {
		return err
	}
	p.Bus = b
	p.closeLater("the bus", func() error { b.Close(); return nil })
	return nil
}

// runner is a part of a process that runs until its context ends.
type runner func(ctx context.Context) error

// supervise runs the parts and the admin listener. The first to fail ends all of them and the process. The listener goes on
// until the last part has ended, and says that the process is not ready any more.
func (p *process) supervise(ctx context.Context, ready []telemetry.Check, parts ...runner) error {
	if p.keyholder != nil {
		parts = append(parts, p.keyholder.Run)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	ready = append(ready, telemetry.Running(ctx))
	admin, err := telemetry.NewAdmin(telemetry.AdminOptions{Gatherer: p.Registry, Registerer: p.Registry, Ready: ready, Logger: p.Log})
	if err != nil {
		return err
	}
	dir := ""
	if p.service == serviceUp { // the others keep nothing
		dir = p.Config.DataDir
	}
	if err := app.ShowProcess(p.Parts, p.service, version, dir, local.DiskRoom); err != nil {
		return err
	}
	ln, err := listen(ctx, p.Config.AdminAddr, "ASHBRIDGE_ADMIN_ADDR")
	if err != nil {
		return err
	}
	parts = append(parts, func(ctx context.Context) error { return app.KeepConnections(ctx, p.Parts) })
	shown, hide := context.WithCancel(context.WithoutCancel(ctx))
	defer hide()
	var all errgroup.Group
	all.Go(func() error {
		defer end()
		return admin.Run(shown, ln)
	})
	all.Go(func() error {
		defer hide()
		// Not ready either, from the moment when one fails.
		for i, run := range parts {
			parts[i] = func(ctx context.Context) error {
				err := run(ctx)
				if err != nil {
					end()
				}
				return err
			}
		}
		return together(ctx, parts...)
	})
	if err := all.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// unlessStopped is nothing where the process was told to end while it still started: what failed then, failed for that.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// listen opens a listener; the error names the variable that moves it elsewhere.
func listen(ctx context.Context, addr, variable string) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w (set %s to another address)", addr, err, variable)
	}
	return ln, nil
}

// databaseReady is the readiness of services that can do nothing without Postgres.
func (p *process) databaseReady() []telemetry.Check {
	return []telemetry.Check{{Name: "postgres", Run: p.DB.Ping}}
}
