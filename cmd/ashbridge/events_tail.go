package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// tailOptions say what is shown.
type tailOptions struct {
	connections, postings, types, employers []string
	since, job                              string
	snapshot, json                          bool
}

func newEventsTail() *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show events as they are published",
		Long: "Show events as they are published, until it is stopped. It needs ASHBRIDGE_NATS_URL with a user that may read\n" +
			"JOBS, such as the notifier's or the admin's. A server that goes away is waited for.",
		Example: "  ashbridge events tail --connection acme\n" +
			"  ashbridge events tail --since 2h --type job.closed\n" +
			"  ashbridge events tail --snapshot --json | jq .data.job.title",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runEventsTail(cmd, o) },
	}
	config.RegisterFlags(cmd.Flags())
	flags := cmd.Flags()
	flags.StringSliceVar(&o.connections, "connection", nil, "only events of this connection, by id or employer_ref; several with commas")
	flags.StringSliceVar(&o.postings, "posting", nil, "only events of this posting; several with commas")
	flags.StringSliceVar(&o.employers, "employer", nil, "only events of the employer with this employer_ref; several with commas")
	flags.StringVar(&o.job, "job", "", "only events of this job, as connection/posting")
	flags.StringSliceVar(&o.types, "type", nil, "only events of this type, such as job.closed or connection.*; several with commas")
	flags.StringVar(&o.since, "since", "", "begin at a time, such as 2026-11-23T10:00:00Z, or so long ago, such as 90m")
	flags.BoolVar(&o.snapshot, "snapshot", false, "begin with the latest event of each job and connection")
	flags.BoolVar(&o.json, "json", false, "print the events as JSON, one a line")
	cmd.MarkFlagsMutuallyExclusive("since", "snapshot")
	cmd.MarkFlagsMutuallyExclusive("job", "connection")
	cmd.MarkFlagsMutuallyExclusive("job", "posting")
	completeWith(cmd, "connection", completing(connectionNames))
	complete(cmd, "type", typeWords()...)
	return cmd
}

func runEventsTail(cmd *cobra.Command, o tailOptions) error {
	ctx := cmd.Context()
	cfg, log, err := loadQuietly(cmd, config.EventsTail)
	if err != nil {
		return err
	}
	if o.job != "" {
		connection, posting, err := jobParts(o.job)
		if err != nil {
			return err
		}
		o.connections, o.postings = []string{connection}, []string{posting}
	}
	follow := bus.FollowOptions{Connections: o.connections, Postings: o.postings, Snapshot: o.snapshot}
	if slices.ContainsFunc(o.connections, isEmployerRef) {
		follow.Connections = nil // subjects have ids alone: the printer looks at the events
	}
	if follow.Since, err = moment("since", o.since, time.Now()); err != nil {
		return err
	}
	if err := knownTypes(o.types); err != nil {
		return err
	}
	b, err := openReader(ctx, cfg, log, "events tail")
	if err != nil {
		return err
	}
	defer b.Close()
	shown := newTailPrinter(cmd.OutOrStdout(), cmd.ErrOrStderr(), o)
	follow.OnBroken = shown.broken
	err = b.Follow(ctx, follow, shown.message)
	if errors.Is(err, bus.ErrDenied) {
		return fmt.Errorf("this user of NATS may not read JOBS: name one that may in ASHBRIDGE_NATS_URL, such as the admin or the notifier's: %w", err)
	}
	return err
}

// isEmployerRef says that what names a connection is no id of one.
func isEmployerRef(name string) bool { return !uuidShape.MatchString(name) }

// moment reads the time in a flag, or how long ago one is; the zero time where nothing is given.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago).Truncate(time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, usagef("--%s %q is neither a time such as 2026-11-23T10:00:00Z nor a length such as 90m", flag, text)
	}
	return at, nil
}

// jobParts reads a job as a flag names it.
func jobParts(job string) (connection, posting string, err error) {
	connection, posting, ok := strings.Cut(job, "/")
	if !ok || connection == "" || posting == "" {
		return "", "", usagef("--job %q is not connection/posting", job)
	}
	return connection, posting, nil
}

// typeWords are the types of events, for completion.
func typeWords() []string {
	words := []string{"job.*", "connection.*"}
	for _, t := range events.Types() {
		words = append(words, string(t))
	}
	return words
}

// knownTypes refuses a type that no event has.
func knownTypes(patterns []string) error {
	for _, p := range patterns {
		if !slices.ContainsFunc(events.Types(), func(t events.Type) bool { return typeIs(t, p) }) {
			return usagef("--type %q: there is no such type of event", p)
		}
	}
	return nil
}

func typeIs(t events.Type, pattern string) bool {
	ok, err := path.Match(pattern, string(t))
	return err == nil && ok
}

// tailPrinter writes events. It belongs to the follower's goroutine.
type tailPrinter struct {
	tailOptions
	out, errOut io.Writer
	lines       *eventPrinter
	// waiting says that it was said that the server is away.
	waiting bool
}

func newTailPrinter(out, errOut io.Writer, o tailOptions) *tailPrinter {
	return &tailPrinter{tailOptions: o, out: out, errOut: errOut, lines: newEventPrinter(out)}
}

func (p *tailPrinter) broken(err error) {
	if !p.waiting {
		_, _ = fmt.Fprintln(p.errOut, "waiting for NATS:", err)
	}
	p.waiting = true
}

func (p *tailPrinter) message(m bus.Message) {
	p.waiting = false
	var e events.Event
	if err := json.Unmarshal(m.Data, &e); err != nil {
		_, _ = fmt.Fprintf(p.errOut, "message %d on %s is no event: %v\n", m.Seq, m.Subject, err)
		return
	}
	if len(p.types) > 0 && !slices.ContainsFunc(p.types, func(pattern string) bool { return typeIs(e.Type, pattern) }) {
		return
	}
	connection, posting, _ := bus.ParseSubject(m.Subject)
	if len(p.connections) > 0 && !slices.Contains(p.connections, connection) && !slices.Contains(p.connections, employerOf(e)) {
		return
	}
	if len(p.employers) > 0 && !slices.Contains(p.employers, employerOf(e)) {
		return
	}
	if p.json {
		_, _ = fmt.Fprintf(p.out, "%s\n", m.Data)
		return
	}
	p.lines.print(e, mirror.Outgoing{Connection: connection, Posting: posting})
}

// employerOf is the employer_ref in an event, which stands in the job of an event of a job.
func employerOf(e events.Event) string {
	var data struct {
		EmployerRef string `json:"employer_ref"`
		Job         struct {
			EmployerRef string `json:"employer_ref"`
		} `json:"job"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return ""
	}
	return cmp.Or(data.Job.EmployerRef, data.EmployerRef)
}
