package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/internal/config"
)

// simulatorPatience is how long a simulator may take to say that it is one.
const simulatorPatience = 10 * time.Second

// simConnectOptions are the flags of sim connect.
type simConnectOptions struct {
	organization, board string
	seed                uint64
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
			"--ashby-url and --allow-private-ashby, or their variables, must be those of the gateway, and lead to the simulator:\n" +
			"where the gateway asks Ashby itself, nothing is to be registered.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSimConnect(cmd, o) },
	}
	config.RegisterClientFlags(cmd.Flags(), "ASHBY_URL", "ALLOW_PRIVATE_ASHBY")
	jsonFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.organization, "organization", "northwind", "slug of the simulator's organisation")
	f.Uint64Var(&o.seed, "seed", 1, "the simulator's seed, which decides the key")
	f.StringVar(&o.board, "board", "", "file for the url, user and password of a job board")
	return cmd
}

func runSimConnect(cmd *cobra.Command, o simConnectOptions) error {
	ctx := cmd.Context()
	if err := needSimulator(cmd); err != nil {
		return err
	}
	c, err := openClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	connection, err := connectSimulated(ctx, c, o)
	if err != nil {
		return err
	}
	asJSON := wantsJSON(cmd)
	document := map[string]any{"employer_ref": o.organization, "connection": connection, "url": c.Base() + apiclient.Path("v1", "connections", connection)}
	if !asJSON { // at once: what follows may fail
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "employer   %s  %s\n", o.organization, document["url"]); err != nil {
			return err
		}
	}
	if o.board == "" {
		if !asJSON {
			return nil
		}
		return writeJSON(cmd.OutOrStdout(), document)
	}
	s, err := subscribeBoard(ctx, c)
	if err != nil {
		return fmt.Errorf("making the board a subscriber: %w", err)
	}
	if err := keepSubscriber(o.board, s); err != nil {
		return err
	}
	document["board"] = map[string]any{"subscriber": s.ID, "user": s.User, "url": s.URL, "file": o.board}
	return printResult(cmd, asJSON, document, "board      %s  at %s; its password is in %s", s.User, s.URL, o.board)
}

// needSimulator refuses to go on where a simulator does not answer at the address that the gateway has for Ashby: a
// made-up employer would be registered beside real ones, and its key sent to Ashby.
func needSimulator(cmd *cobra.Command) error {
	cfg, err := config.Load(config.Environ(), cmd.Flags(), config.Client)
	if err != nil {
		return err
	}
	const do = "name a simulator here and at the gateway, by ASHBRIDGE_ASHBY_URL and ASHBRIDGE_ALLOW_PRIVATE_ASHBY; `make demo` does so"
	if !cfg.AllowPrivateAshby {
		return usagef("the gateway asks %s, as far as is known here, and that is no simulator: %s", cfg.AshbyURL, do)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), simulatorPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.AshbyURL+"/_sim/state", http.NoBody)
	if err != nil {
		return fmt.Errorf("looking for the simulator: %w", err)
	}
	answer, err := ashby.DefaultHTTPClient(true).Do(req)
	if err != nil {
		return fmt.Errorf("looking for the simulator: %w", err)
	}
	if err := answer.Body.Close(); err != nil {
		return fmt.Errorf("looking for the simulator: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return usagef("%s answers /_sim/state with status %d, which no simulator does: %s", cfg.AshbyURL, answer.StatusCode, do)
	}
	return nil
}

// simulatedKey is the key that newSimulation gives its organisation: the seed decides it.
func simulatedKey(o simConnectOptions) ashby.Secret {
	sim := ashbytest.New(ashbytest.Options{Seed: o.seed})
	defer sim.Close()
	return ashby.Secret(sim.AddOrganization(o.organization, o.organization).AddKey(ashbytest.KeyOptions{}))
}

// connectSimulated registers the organisation, or finds it from an earlier run and has it read again, and has the gateway
// make its webhooks. It returns the connection's id.
func connectSimulated(ctx context.Context, c *apiclient.Client, o simConnectOptions) (id string, err error) {
	conn, isKnown, err := knownConnection(ctx, c, o.organization)
	if err != nil {
		return "", fmt.Errorf("looking for the employer: %w", err)
	}
	if !isKnown {
		_, err := c.Call(ctx, http.MethodPost, "/v1/connections", map[string]any{
			"employer_ref": o.organization, "employer_name": o.organization, "api_key": simulatedKey(o).Reveal(),
		}, &conn)
		if err != nil {
			return "", fmt.Errorf("registering the employer: %w", err)
		}
	}
	// A simulator that was started anew has forgotten them.
	if _, err := c.Call(ctx, http.MethodPost, "/v1/connections/"+conn.ID+"/webhooks", map[string]any{}, nil); err != nil {
		return "", fmt.Errorf("making the webhooks: %w", err)
	}
	if isKnown {
		if _, err := c.Call(ctx, http.MethodPost, "/v1/connections/"+conn.ID+"/sync", nil, nil); err != nil {
			return "", fmt.Errorf("having the employer read again: %w", err)
		}
	}
	return conn.ID, nil
}

// keepSubscriber writes what a board needs to log in, readable by this user alone. A board that starts meanwhile finds the
// file of before or the new one.
func keepSubscriber(path string, s apiclient.Subscriber) error {
	raw, err := json.MarshalIndent(map[string]string{"id": s.ID, "url": s.URL, "user": s.User, "password": s.Password}, "", "  ")
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
