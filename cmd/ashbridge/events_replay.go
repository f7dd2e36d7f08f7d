package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

// replayOptions say what is replayed to whom.
type replayOptions struct {
	subscriber, since, job string
	snapshot               bool
	version                int64
}

func newEventsReplay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Tell a subscriber events once more",
		Long:  "Tell a subscriber events once more: the latest of every job, all since a time, or all since a version of a job.",
		Example: "  ashbridge events replay --subscriber sub_… --snapshot\n" +
			"  ashbridge events replay --subscriber sub_… --since 2h\n" +
			"  ashbridge events replay --subscriber sub_… --job <connection>/<posting> --version 3",
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.subscriber, "subscriber", "", "id of the subscriber, sub_…")
	flags.BoolVar(&o.snapshot, "snapshot", false, "the latest event of each job and connection")
	flags.StringVar(&o.since, "since", "", "all events since a time, such as 2026-11-23T10:00:00Z, or since so long ago, such as 90m")
	flags.StringVar(&o.job, "job", "", "all events since one of this job, as connection/posting, with --version")
	flags.Int64Var(&o.version, "version", 0, "the version of --job from which on")
	_ = cmd.MarkFlagRequired("subscriber") // fails only for a flag that is not there
	cmd.MarkFlagsMutuallyExclusive("snapshot", "since", "job")
	cmd.MarkFlagsOneRequired("snapshot", "since", "job")
	cmd.MarkFlagsRequiredTogether("job", "version")
	completeWith(cmd, "subscriber", completing(subscriberNames))
	return asking(cmd, func(a *asker, _ []string) error { return runEventsReplay(a, o) })
}

func runEventsReplay(a *asker, o replayOptions) error {
	body, err := o.body(a.now)
	if err != nil {
		return err
	}
	var s apiclient.Subscriber
	answer, err := a.send(http.MethodPost, apiclient.Path("v1", "subscribers", o.subscriber, "replay"), body, &s)
	if err != nil {
		return err
	}
	return a.show(answer, func() {
		a.say("subscriber %s (%s) is told %s, and then what is new: replay %d of consumer %s", s.ID, clean(s.Name), o.what(body), s.Replay, s.Consumer)
	})
}

// what says what a subscriber is told; body is the request's.
func (o replayOptions) what(body map[string]any) string {
	switch {
	case o.snapshot:
		return "the latest event of each job once more"
	case o.since != "":
		return fmt.Sprintf("all events since %s once more", body["since"])
	}
	return fmt.Sprintf("all events of %s since version %d once more", o.job, o.version)
}

// body is the request's.
func (o replayOptions) body(now time.Time) (map[string]any, error) {
	switch {
	case o.snapshot:
		return map[string]any{"snapshot": true}, nil
	case o.since != "":
		at, err := moment("since", o.since, now)
		return map[string]any{"since": at.UTC().Format(time.RFC3339Nano)}, err
	}
	connection, posting, err := jobParts(o.job)
	if err != nil {
		return nil, err
	}
	return map[string]any{"job": map[string]any{"connection": connection, "posting": posting, "version": o.version}}, nil
}
