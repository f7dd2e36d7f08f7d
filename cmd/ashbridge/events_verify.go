package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/verify"
)

const (
	// verifyPause is between two looks at what differs; the relay has published meanwhile what was committed.
	verifyPause = 2 * time.Second
	// natsPatience is how long a server that is away is waited for.
	natsPatience = 10 * time.Second
	// shownDifferences is how many are shown to a person.
	shownDifferences = 20
)

func newEventsVerify() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the stream with Postgres",
		Long: "Compare the stream JOBS with Postgres: the last message of each job and connection must have the latest version, id\n" +
			"and content, versions must rise by one, no id may stand there twice, and nothing that Postgres does not know. It\n" +
			"changes nothing and ends with status 1 where something differs. What the notifier has noticed is repaired already.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runEventsVerify(cmd, asJSON) },
	}
	config.RegisterFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole report as JSON")
	return cmd
}

func runEventsVerify(cmd *cobra.Command, asJSON bool) (err error) {
	ctx := cmd.Context()
	cfg, log, err := loadQuietly(cmd, config.EventsVerify)
	if err != nil {
		return err
	}
	db, err := openTables(ctx, postgres.Options{
		URL: cfg.DatabaseURL.Reveal(), ApplicationName: "ashbridge events verify", Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	b, err := openReader(ctx, cfg, log, "events verify")
	if err != nil {
		return err
	}
	defer b.Close()
	waiting, cancel := context.WithTimeout(ctx, natsPatience)
	defer cancel()
	if err := b.WaitReady(waiting); err != nil {
		return err
	}
	r, err := verify.Run(ctx, b, db.Notifier(), verifyPause)
	if err != nil {
		return err
	}
	return showReport(cmd.OutOrStdout(), r, asJSON)
}

// showReport prints the report; its error says that something differs.
func showReport(out io.Writer, r verify.Report, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else if _, err := io.WriteString(out, r.Summary(shownDifferences)); err != nil {
		return err
	}
	if n := len(r.Differences); n > 0 {
		return fmt.Errorf("the stream differs from Postgres: %d differences", n)
	}
	return nil
}
