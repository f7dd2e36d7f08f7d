// Command jobboard runs the example job board: go run ./examples/jobboard --help.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/bebitcoiner/ashbridge/examples/jobboard/board"
	"github.com/bebitcoiner/ashbridge/jobfeed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "jobboard:", err)
		os.Exit(1)
	}
}

// config is what the flags and variables say.
type config struct {
	addr, natsURL, user, password, passwordFile, subscriberFile, databaseURL, name, publicURL string
}

// run runs the board until ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, out, errOut io.Writer) (err error) {
	c, err := parse(args, getenv, errOut)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(errOut, nil))
	var store board.Store = board.NewMemory()
	switch {
	case c.databaseURL != "":
		db, err := board.OpenPostgres(ctx, c.databaseURL)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		store = db
	case c.user != "":
		log.WarnContext(ctx, "the jobs are kept in memory only, and NATS hands a subscriber what it acknowledged no second time: "+
			"after a restart ask Ashbridge for a replay, or name a --database-url")
	}
	b, err := board.New(board.Options{
		Feed:  jobfeed.Options{URL: c.natsURL, User: c.user, Password: c.password},
		Store: store, Name: c.name, PublicURL: c.publicURL, Logger: log,
	})
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return fmt.Errorf("listening on %s: %w (--addr names another address)", c.addr, err)
	}
	_, _ = fmt.Fprintf(out, "the board is at http://%s\n", ln.Addr())
	return b.Run(ctx, ln)
}

// parse reads the flags; what is not given comes from the variable JOBBOARD_<FLAG>.
func parse(args []string, getenv func(string) string, errOut io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("jobboard", flag.ContinueOnError)
	f.SetOutput(errOut)
	for _, o := range []struct {
		to                  *string
		name, preset, usage string
	}{
		{&c.addr, "addr", "127.0.0.1:8070", "`address` to listen on"},
		{&c.natsURL, "nats-url", "nats://127.0.0.1:4222", "`URL` of Ashbridge's NATS; without --user it names one that may read the stream, " +
			"as nats://admin:<password>@127.0.0.1:4222 does with the password in <data>/nats-admin of ashbridge up"},
		{&c.user, "user", "", "the subscriber's user `name`, from the answer to POST /v1/subscribers; without it the stream is read " +
			"directly, as the user in --nats-url"},
		{&c.password, "password", "", "the subscriber's `password`; others on this machine see it, so rather use --password-file"},
		{&c.passwordFile, "password-file", "", "`file` with the subscriber's password"},
		{&c.subscriberFile, "subscriber-file", "", "`file` with the answer to POST /v1/subscribers, for the subscriber's url, user and password at once"},
		{&c.databaseURL, "database-url", "", "Postgres `URL` to keep the jobs in; in memory without it"},
		{&c.name, "name", "Openings", "the board's `name`"},
		{&c.publicURL, "public-url", "", "the board's public `URL`, for canonical links"},
	} {
		variable := "JOBBOARD_" + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
		if v := getenv(variable); v != "" {
			o.preset = v
		}
		f.StringVar(o.to, o.name, o.preset, o.usage+" ("+variable+")")
	}
	if err := f.Parse(args); err != nil {
		return config{}, err
	}
	if f.NArg() > 0 {
		return config{}, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if c.subscriberFile != "" {
		return c, c.readSubscriber()
	}
	if c.passwordFile != "" {
		raw, err := os.ReadFile(c.passwordFile)
		if err != nil {
			return config{}, fmt.Errorf("reading the password: %w", err)
		}
		c.password = strings.TrimSpace(string(raw))
	}
	return c, nil
}

// readSubscriber takes what the answer says.
func (c *config) readSubscriber() error {
	raw, err := os.ReadFile(c.subscriberFile)
	if err != nil {
		return fmt.Errorf("reading the subscriber: %w", err)
	}
	var answer struct{ URL, User, Password string }
	if json.Unmarshal(raw, &answer) != nil || answer.URL == "" || answer.User == "" || answer.Password == "" {
		return fmt.Errorf("%s is not the answer to POST /v1/subscribers, with url, user and password", c.subscriberFile)
	}
	c.natsURL, c.user, c.password = answer.URL, answer.User, answer.Password
	return nil
}
