package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

const (
	// replayTimeout is how long the gateway may take.
	replayTimeout = 30 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
)

// replayOptions say what is replayed to whom.
type replayOptions struct {
	api, subscriber, since, job string
	snapshot                    bool
	version                     int64
}

func newEventsReplay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Tell a subscriber events once more",
		Long: "Tell a subscriber events once more: the latest of every job, all since a time, or all since a version of a job.\n" +
			"It asks the gateway, at ASHBRIDGE_PUBLIC_URL or --api, with ASHBRIDGE_ADMIN_TOKEN.",
		Example: "  ashbridge events replay --subscriber sub_… --snapshot\n" +
			"  ashbridge events replay --subscriber sub_… --since 2h\n" +
			"  ashbridge events replay --subscriber sub_… --job <connection>/<posting> --version 3",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runEventsReplay(cmd, o) },
	}
	config.RegisterFlags(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&o.api, "api", "", "address of the gateway, instead of ASHBRIDGE_PUBLIC_URL")
	flags.StringVar(&o.subscriber, "subscriber", "", "id of the subscriber, sub_…")
	flags.BoolVar(&o.snapshot, "snapshot", false, "the latest event of each job and connection")
	flags.StringVar(&o.since, "since", "", "all events since a time, such as 2026-11-23T10:00:00Z, or since so long ago, such as 90m")
	flags.StringVar(&o.job, "job", "", "all events since one of this job, as connection/posting, with --version")
	flags.Int64Var(&o.version, "version", 0, "the version of --job from which on")
	_ = cmd.MarkFlagRequired("subscriber") // fails only for a flag that is not there
	cmd.MarkFlagsMutuallyExclusive("snapshot", "since", "job")
	cmd.MarkFlagsOneRequired("snapshot", "since", "job")
	cmd.MarkFlagsRequiredTogether("job", "version")
	return cmd
}

func runEventsReplay(cmd *cobra.Command, o replayOptions) error {
	cfg, _, err := loadQuietly(cmd, config.EventsReplay)
	if err != nil {
		return err
	}
	api := strings.TrimSuffix(cmp.Or(o.api, cfg.PublicURL), "/")
	if api == "" {
		return errors.New("the gateway's address is not known: set ASHBRIDGE_PUBLIC_URL or --api")
	}
	body, err := o.body(time.Now())
	if err != nil {
		return err
	}
	answer, err := postReplay(cmd.Context(), api, o.subscriber, cfg.AdminToken.Reveal(), body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "subscriber %s (%s) is told again from now on: replay %d of consumer %s\n",
		answer.ID, answer.Name, answer.Replay, answer.Consumer)
	return err
}

// body is the request's.
func (o replayOptions) body(now time.Time) (map[string]any, error) {
	switch {
	case o.snapshot:
		return map[string]any{"snapshot": true}, nil
	case o.since != "":
		at, err := moment(o.since, now)
		return map[string]any{"since": at.UTC().Format(time.RFC3339Nano)}, err
	}
	connection, posting, ok := strings.Cut(o.job, "/")
	if !ok || connection == "" || posting == "" {
		return nil, fmt.Errorf("--job %q is not connection/posting", o.job)
	}
	return map[string]any{"job": map[string]any{"connection": connection, "posting": posting, "version": o.version}}, nil
}

// replayAnswer is what the gateway says of the subscriber.
type replayAnswer struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Consumer string `json:"consumer"`
	Replay   int    `json:"replay"`
}

// apiProblem is an error as the API tells it.
type apiProblem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"errors"`
	Versions *struct {
		Oldest int64 `json:"oldest"`
		Newest int64 `json:"newest"`
	} `json:"versions"`
}

func (p apiProblem) Error() string {
	text := p.Title
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	for _, e := range p.Errors {
		text += fmt.Sprintf("\n  %s: %s", e.Field, e.Detail)
	}
	if p.Versions != nil {
		text += fmt.Sprintf("\n  the stream keeps versions %d to %d", p.Versions.Oldest, p.Versions.Newest)
	}
	return text
}

func postReplay(ctx context.Context, api, subscriber, token string, body map[string]any) (answer replayAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	raw, err := json.Marshal(body)
	if err != nil {
		return answer, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		api+"/v1/subscribers/"+url.PathEscape(subscriber)+"/replay", bytes.NewReader(raw))
	if err != nil {
		return answer, fmt.Errorf("asking the gateway: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{
		// The token goes nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer, fmt.Errorf("asking the gateway: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	raw, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var p apiProblem
		if json.Unmarshal(raw, &p) == nil && p.Title != "" {
			return answer, fmt.Errorf("the gateway refused (%d): %w", resp.StatusCode, p)
		}
		return answer, fmt.Errorf("%s answered %s: is it Ashbridge's gateway?", api, resp.Status)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return answer, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	return answer, nil
}
