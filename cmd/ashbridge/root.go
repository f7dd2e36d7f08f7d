package main

import (
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

// newRoot builds the command tree. Results go to out, progress and logs to errOut.
func newRoot(out, errOut io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "ashbridge",
		Short: "Connect employers' Ashby accounts to your job board",
		Long: "Ashbridge mirrors what an employer's Ashby API key may read and publishes every change of a public job\n" +
			"as an event on NATS JetStream.\n\n" +
			"Configuration comes from ASHBRIDGE_* variables or from the flags of the same names; flags win.\n" +
			"Secrets may come from files: ASHBRIDGE_ADMIN_TOKEN_FILE instead of ASHBRIDGE_ADMIN_TOKEN.\n\n" +
			"Commands that ask the gateway find it at ASHBRIDGE_API_URL and show it the token in ASHBRIDGE_TOKEN.\n\n" +
			exitHelp(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.AddCommand(newUp(), newGateway(), newSyncer(), newNotifier(), newMigrate(), newKeys(), newDoctor(), newHealth(), newSim(), newEvents(), newVersion(),
		newConnections(), newHolds(), newWebhooks(), newTokens(), newAudit(), newSubscribers(), newEndpoints())
	markBegun(root)
	return root
}

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printResult(cmd, wantsJSON(cmd), map[string]any{
				"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
			}, "ashbridge %s (%s, %s/%s)", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
	jsonFlag(cmd)
	return cmd
}
