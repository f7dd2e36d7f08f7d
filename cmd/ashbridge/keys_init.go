package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/secretdir"
)

func newKeysInit() *cobra.Command {
	var (
		o      = secretdir.Options{Owner: secretdir.Unchanged}
		mode   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make every secret that gateway, syncer and notifier need, with those of Postgres, NATS and Grafana",
		Long: "Make every secret that a deployment in several processes needs, each in a file of its own in DIR: the keyset, the first\n" +
			"API token, the database's password and URL, the passwords and accounts of NATS, the services' addresses at NATS, the key\n" +
			"that lets job boards in, and Grafana's password. The variables that end with _FILE take them.\n\n" +
			"What is there is never replaced: called again, it makes what is missing, in accord with what is there. Only\n" +
			secretdir.NATSAccounts + ", which holds no secret, is renewed after an upgrade. A NATS server includes it:\n" +
			"\"include ./" + secretdir.NATSAccounts + "\" in place of accounts.conf of ops/nats/nats.conf, with " + secretdir.NATSPasswords + " beside it.\n\n" +
			"Files are readable by their owner alone. --uid names the user under whom a container's process runs, for root to give\n" +
			"them to; the keyset keeps mode 0600, since one that others may read is refused.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Dir = args[0]
			if mode != "" {
				bits, err := strconv.ParseUint(mode, 8, 12)
				if err != nil {
					return usagef("mode %q: write it as 0600", mode)
				}
				o.Mode = fs.FileMode(bits)
			}
			files, err := secretdir.Make(o)
			if wrong, ok := errors.AsType[secretdir.WrongOption](err); ok {
				return usageError{wrong}
			}
			if printErr := printSecretFiles(cmd, files, asJSON); err == nil {
				err = printErr
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.PostgresHost, "postgres-host", "postgres", "where the services find Postgres, as host or host:port")
	f.StringVar(&o.SSLMode, "postgres-sslmode", "", "sslmode of the database's URL (default disable for a name without dots, as containers have, or this machine; else verify-full)")
	f.StringSliceVar(&o.NATSHosts, "nats-host", []string{"nats"}, "where the services find NATS, as host or host:port, several with commas between them, for which the routes of a cluster are made, too")
	f.StringVar(&mode, "mode", "", "mode of the files, new ones and those that are there (default 0600 for new ones); the keyset has 0600 in any case")
	f.IntVar(&o.Owner, "uid", secretdir.Unchanged, "user who is to own the files; only root may give them to another")
	f.IntVar(&o.PostgresOwner, "postgres-uid", secretdir.Unchanged, "user who is to own what Postgres reads, instead of --uid")
	f.IntVar(&o.NATSOwner, "nats-uid", secretdir.Unchanged, "user who is to own what NATS reads, instead of --uid")
	f.IntVar(&o.GrafanaOwner, "grafana-uid", secretdir.Unchanged, "user who is to own what Grafana reads, instead of --uid")
	f.BoolVar(&asJSON, "json", false, "print what was done as JSON")
	return cmd
}

func printSecretFiles(cmd *cobra.Command, files []secretdir.File, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return writeJSON(out, map[string]any{"files": files})
	}
	for _, f := range files {
		if _, err := fmt.Fprintf(out, "%-8s%s\n        %s\n", f.State, f.Path, f.Use); err != nil {
			return err
		}
		if f.Note != "" {
			if _, err := fmt.Fprintf(out, "        ATTENTION: %s\n", f.Note); err != nil {
				return err
			}
		}
	}
	return nil
}
