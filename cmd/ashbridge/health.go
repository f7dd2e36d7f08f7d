package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

// healthTimeout is how long a service may take to say whether it is ready; /readyz answers within two seconds.
const healthTimeout = 4 * time.Second

func newHealth() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a service on this machine whether it is ready",
		Long: "Ask a service on this machine whether it is ready: /readyz at ASHBRIDGE_ADMIN_ADDR, with the environment of the\n" +
			"service. It succeeds when the answer is 200. It is the health check of containers, which have no other program.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				cfg, err := config.Load(config.Environ(), cmd.Flags(), 0)
				if err != nil {
					return err
				}
				url = readyURL(cfg.AdminAddr)
			}
			if err := askHealth(cmd.Context(), url); err != nil || !wantsJSON(cmd) {
				return err
			}
			return writeJSON(cmd.OutOrStdout(), map[string]any{"url": url, "ready": true})
		},
	}
	jsonFlag(cmd)
	config.RegisterFlags(cmd.Flags())
	cmd.Flags().StringVar(&url, "url", "", "address to ask instead, of a program that has another one")
	return cmd
}

// readyURL is where the service that listens on addr is asked from the same machine. An address of all interfaces is none
// to connect to.
func readyURL(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + addr + "/readyz"
}

// askHealth returns nil when url answers 200. The error has the beginning of another answer, which names the checks.
func askHealth(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d: %s", url, resp.StatusCode, strings.TrimSpace(string(answer)))
	}
	return nil
}
