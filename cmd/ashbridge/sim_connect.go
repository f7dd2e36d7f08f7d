package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/config"
)

// simConnectOptions are the flags of sim connect.
type simConnectOptions struct {
	api, organization, board string
	seed                     uint64
}

func newSimConnect() *cobra.Command {
	var o simConnectOptions
	cmd := &cobra.Command{
		Use:   "connect",
		Short: "Connect the organisation of a running simulator, as its employer would",
		Long: "Connect the organisation of a running simulator, as its employer would: register its key at the gateway and have\n" +
			"the webhooks made. --organization and --seed are those of the simulator. With --board a job board is made a\n" +
			"subscriber, too, and its file can be read by examples/jobboard. It can be run again, after which everything is\n" +
			"read anew, the board has another password, and is told all jobs again.\n\n" +
			"It asks the gateway, at ASHBRIDGE_PUBLIC_URL or --api, with ASHBRIDGE_ADMIN_TOKEN.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSimConnect(cmd, o) },
	}
	config.RegisterFlags(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&o.api, "api", "", "address of the gateway, instead of ASHBRIDGE_PUBLIC_URL")
	f.StringVar(&o.organization, "organization", "northwind", "slug of the simulator's organisation")
	f.Uint64Var(&o.seed, "seed", 1, "the simulator's seed, which decides the key")
	f.StringVar(&o.board, "board", "", "file for the url, user and password of a job board")
	return cmd
}

func runSimConnect(cmd *cobra.Command, o simConnectOptions) error {
	ctx := cmd.Context()
	cfg, _, err := loadQuietly(cmd, config.NeedAdminToken)
	if err != nil {
		return err
	}
	api := strings.TrimSuffix(cmp.Or(o.api, cfg.PublicURL), "/")
	if api == "" {
		return errors.New("the gateway's address is not known: set ASHBRIDGE_PUBLIC_URL or --api")
	}
	c := newAPIClient(api, cfg.AdminToken)
	connection, err := connectSimulated(ctx, c, o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "employer   %s  %s/v1/connections/%s\n", o.organization, api, connection); err != nil {
		return err
	}
	if o.board == "" {
		return nil
	}
	s, err := subscribeSimulated(ctx, c)
	if err != nil {
		return fmt.Errorf("making the board a subscriber: %w", err)
	}
	if err := keepSubscriber(o.board, s); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "board      %s  at %s; its password is in %s\n", s.User, s.URL, o.board)
	return err
}

// simulatedKey is the key that newSimulation gives its organisation: the seed decides it.
func simulatedKey(o simConnectOptions) ashby.Secret {
	sim := ashbytest.New(ashbytest.Options{Seed: o.seed})
	defer sim.Close()
	return ashby.Secret(sim.AddOrganization(o.organization, o.organization).AddKey(ashbytest.KeyOptions{}))
}

// simulatedConnection and simulatedBoard are what is needed of the documents of a connection and a subscriber.
type simulatedConnection struct {
	ID           string    `json:"id"`
	EmployerRef  string    `json:"employer_ref"`
	WebhookSetup *struct{} `json:"webhook_setup"`
}

type simulatedBoard struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// connectSimulated registers the organisation, or finds it from an earlier run and has it read again, and has the gateway
// make its webhooks. It returns the connection's id.
func connectSimulated(ctx context.Context, c *apiClient, o simConnectOptions) (id string, err error) {
	var page struct {
		Connections []simulatedConnection `json:"connections"`
	}
	if err := c.call(ctx, http.MethodGet, "/v1/connections", nil, &page); err != nil {
		return "", fmt.Errorf("looking for the employer: %w", err)
	}
	// One that was removed has no webhook setup and does not count.
	known := slices.IndexFunc(page.Connections, func(conn simulatedConnection) bool {
		return conn.EmployerRef == o.organization && conn.WebhookSetup != nil
	})
	var conn simulatedConnection
	if known >= 0 {
		conn = page.Connections[known]
	} else if err := c.call(ctx, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": o.organization, "employer_name": o.organization, "api_key": simulatedKey(o).Reveal(),
	}, &conn); err != nil {
		return "", fmt.Errorf("registering the employer: %w", err)
	}
	// A simulator that was started anew has forgotten them.
	if err := c.call(ctx, http.MethodPost, "/v1/connections/"+conn.ID+"/webhooks", map[string]any{}, nil); err != nil {
		return "", fmt.Errorf("making the webhooks: %w", err)
	}
	if known >= 0 {
		if err := c.call(ctx, http.MethodPost, "/v1/connections/"+conn.ID+"/sync", nil, nil); err != nil {
			return "", fmt.Errorf("having the employer read again: %w", err)
		}
	}
	return conn.ID, nil
}

// subscribeSimulated makes the board a subscriber. That of an earlier run gets a new password, since the old one was shown
// once, and a replay, since a board without a database has forgotten what it was told.
func subscribeSimulated(ctx context.Context, c *apiClient) (s simulatedBoard, err error) {
	var page struct {
		Subscribers []simulatedBoard `json:"subscribers"`
	}
	if err := c.call(ctx, http.MethodGet, "/v1/subscribers?limit=200", nil, &page); err != nil {
		return s, err
	}
	known := slices.IndexFunc(page.Subscribers, func(s simulatedBoard) bool { return s.Name == demoBoardName })
	if known < 0 {
		err = c.call(ctx, http.MethodPost, "/v1/subscribers", map[string]any{"name": demoBoardName}, &s)
		return s, err
	}
	path := "/v1/subscribers/" + page.Subscribers[known].ID
	if err := c.call(ctx, http.MethodPost, path+"/rotate", nil, &s); err != nil {
		return s, err
	}
	return s, c.call(ctx, http.MethodPost, path+"/replay", map[string]any{"snapshot": true}, nil)
}

// keepSubscriber writes what a board needs to log in, readable by this user alone. A board that starts meanwhile finds the
// file of before or the new one.
func keepSubscriber(path string, s simulatedBoard) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("keeping the board's password: %w", err)
	}
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(temporary, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("keeping the board's password: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(fmt.Errorf("keeping the board's password: %w", err), os.Remove(temporary))
	}
	return nil
}
