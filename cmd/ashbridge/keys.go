package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

func newKeys() *cobra.Command {
	keys := group("keys", "Make and rotate the keys that seal secrets and let job boards in")
	keys.AddCommand(newKeysIssuer(), newKeysInit(), newKeysRotate())
	create := &cobra.Command{
		Use:   "create FILE",
		Short: "Make a keyset file, for ASHBRIDGE_KEYSET_FILE of gateway, syncer and notifier",
		Long: "Make a keyset file, for ASHBRIDGE_KEYSET_FILE of gateway, syncer and notifier.\n\n" +
			"Back it up apart from the database: without it, no stored API key and no signing secret can be opened again.\n" +
			"An existing file is left as it is.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := seal.Create(args[0]); err != nil {
				return err
			}
			return printResult(cmd, wantsJSON(cmd), map[string]any{"file": args[0], "made": true},
				"made %s; set ASHBRIDGE_KEYSET_FILE to it, and back it up", args[0])
		},
	}
	jsonFlag(create)
	keys.AddCommand(create)
	return keys
}

func newKeysIssuer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "issuer FILE",
		Short: "Make the key that lets job boards in at NATS, for ASHBRIDGE_NATS_ISSUER_FILE of the gateways",
		Long: "Make the key that lets job boards in at NATS. Its seed goes into FILE, for ASHBRIDGE_NATS_ISSUER_FILE of every\n" +
			"gateway; its public key is printed, for BOARDS_ISSUER of a NATS server that runs with ops/nats/nats.conf. `ashbridge up`\n" +
			"makes its own. An existing file is left as it is, and its public key printed.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			public, isNew, err := loadOrMakeIssuer(args[0])
			if err != nil {
				return err
			}
			what := "found"
			if isNew {
				what = "made"
			}
			return printResult(cmd, wantsJSON(cmd), map[string]any{"file": args[0], "made": isNew, "public_key": public}, "%s the key of %s\n\n"+
				"Every gateway needs its seed:         ASHBRIDGE_NATS_ISSUER_FILE=%s\n"+
				"The NATS server needs its public key: BOARDS_ISSUER=%s", what, args[0], args[0], public)
		},
	}
	jsonFlag(cmd)
	return cmd
}

// loadOrMakeIssuer returns the public key of the seed in the file, or makes a seed that only this user can read.
func loadOrMakeIssuer(path string) (public string, isNew bool, err error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		public, err = bus.IssuerKey(strings.TrimSpace(string(raw)))
		if err != nil {
			return "", false, fmt.Errorf("%s holds something else: %w", path, err)
		}
		return public, false, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", false, fmt.Errorf("reading the issuer: %w", err)
	}
	seed, public, err := bus.NewIssuer()
	if err != nil {
		return "", false, err
	}
	if err := os.WriteFile(path, []byte(seed+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("keeping the issuer: %w", err)
	}
	return public, true, nil
}
