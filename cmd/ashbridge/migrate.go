package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

func newMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's tables up to this version",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runMigrate(cmd) },
	}
	config.RegisterFlags(cmd.Flags())
	jsonFlag(cmd)
	return cmd
}

func runMigrate(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	cfg, log, err := loadConfig(cmd, config.Migrate, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	db, err := app.OpenDatabase(ctx, postgres.Options{
		URL: cfg.DatabaseURL.Reveal(), ApplicationName: "ashbridge migrate", Logger: log,
	}, connectPatience)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := migrate(ctx, db); err != nil {
		return err
	}
	return printResult(cmd, wantsJSON(cmd), map[string]any{"up_to_date": true}, "the tables are up to date")
}

// migrate makes the tables, and writes that down: afterwards where the audit log is among those that were missing.
func migrate(ctx context.Context, db *postgres.DB) error {
	const action = "schema.migrate"
	by := map[string]any{"version": version}
	began := false
	err := audited(ctx, db, action, func(ctx context.Context) (map[string]any, error) {
		began = true
		return by, db.Migrate(ctx)
	})
	if began || err == nil {
		return err
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return audited(ctx, db, action, func(context.Context) (map[string]any, error) { return by, nil })
}
