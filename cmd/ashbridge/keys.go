package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/seal"
)

func newKeys() *cobra.Command {
	keys := &cobra.Command{Use: "keys", Short: "Make the keyset that seals secrets"}
	keys.AddCommand(&cobra.Command{
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
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "made %s; set ASHBRIDGE_KEYSET_FILE to it, and back it up\n", args[0])
			return err
		},
	})
	return keys
}
