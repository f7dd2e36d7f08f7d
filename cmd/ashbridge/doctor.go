package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/doctor"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// errUnwell says that a check of the doctor failed; the findings were printed.
var errUnwell = errors.New("not everything is well")

func newDoctor() *cobra.Command {
	var o doctor.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether everything is set up right, and say what to do where it is not",
		Long: "Check configuration, keyset, database, migrations, NATS, streams, job boards' logins, clocks, the public address and\n" +
			"Ashby; with --connection, one employer's key and webhooks. Every check runs whatever the others find, all within 20\n" +
			"seconds. Nothing is changed, and no secret is printed. That stored secrets were opened is written to the audit log.\n\n" +
			"It takes the settings of the services: run it where and as they run. Beside `ashbridge up`, with --demo or without,\n" +
			"it needs none but the --data-dir that `up` was given: it finds there what that runs and uses. A service's user at NATS sees\n" +
			"little; with --nats-url-file nats-url-admin, of `ashbridge keys init`, everything is seen.\n\n" +
			"It ends with status 1 if a check failed, with 0 if there were warnings at most.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd, o, asJSON) },
	}
	config.RegisterFlags(cmd.Flags())
	cmd.Flags().StringVar(&o.Connection, "connection", "", "id or employer_ref of a connection to look at, too")
	cmd.Flags().StringVar(&o.Monitor, "nats-monitor", "", "address of NATS's monitoring (default port 8222 of NATS's own host)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func runDoctor(cmd *cobra.Command, o doctor.Options, asJSON bool) error {
	cfg, faults := config.Examine(config.Environ(), cmd.Flags(), config.Doctor)
	// What the drivers would log, the findings say.
	log, err := telemetry.NewLogger(cfg.LogLevel, "text", io.Discard)
	if err != nil {
		return err
	}
	o.Config, o.Faults, o.Version, o.Actor, o.Logger = cfg, faults, version, systemUser(), log
	o.EmbeddedNATS, o.EmbeddedDatabase = cfg.UpHasNATS(), cfg.UpHasDatabase()
	findings := doctor.Run(cmd.Context(), o)
	if asJSON {
		err = writeJSON(cmd.OutOrStdout(), map[string]any{"findings": findings})
	} else {
		err = showFindings(cmd.OutOrStdout(), findings)
	}
	for _, f := range findings {
		if f.Outcome == doctor.Failed && err == nil {
			err = errUnwell
		}
	}
	return err
}

func showFindings(out io.Writer, findings []doctor.Finding) error {
	width := 0
	for _, f := range findings {
		width = max(width, len(f.Check))
	}
	counts := map[doctor.Outcome]int{}
	for _, f := range findings {
		counts[f.Outcome]++
		label := string(f.Outcome)
		if f.Outcome == doctor.Failed {
			label = "FAILED"
		}
		if _, err := fmt.Fprintf(out, "%-8s %-*s  %s\n", label, width, f.Check, f.Found); err != nil {
			return err
		}
		if f.Do != "" {
			if _, err := fmt.Fprintf(out, "%s→ %s\n", strings.Repeat(" ", 11+width), f.Do); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(out, "\n%d ok, %d warnings, %d failed, %d skipped\n",
		counts[doctor.OK], counts[doctor.Warning], counts[doctor.Failed], counts[doctor.Skipped])
	return err
}
