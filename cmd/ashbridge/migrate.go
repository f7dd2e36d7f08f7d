package main

import (
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
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return printResult(cmd, wantsJSON(cmd), map[string]any{"up_to_date": true}, "the tables are up to date")
}
