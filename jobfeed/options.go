package jobfeed

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Options configure a Feed. Only URL has no default.
type Options struct {
	// URL is the NATS server's address, "nats://host:4222" or "tls://host:4222", or several separated by commas.
	URL string
	// User and Password are a subscriber's, as POST /v1/subscribers returns them. The durable consumer and the inbox
	// prefix follow from User. Without them the feed reads the stream itself, which needs a NATS user that may make
	// consumers (see the package's description), and Positions say where it stopped.
	User, Password string
	// Positions remember what was handled; in memory where nil, so that a restarted board is handed the latest state of
	// every job once more (without User), or what it had not acknowledged (with User).
	Positions Positions
	// Connections are the employers to follow, by connection id; all where empty. With User the subscriber's own choice
	// counts, and this one must be empty.
	Connections []string
	// Parallel is how many events are handled at once, of different jobs; 8 where zero.
	Parallel int
	// Buffer is how many events are held in memory at most: 512 where zero, about 3 MB of ordinary jobs. Each job whose
	// event fails holds one of these places; once all are held, nothing more is read until a handler succeeds.
	Buffer int
	// Grace is how long handlers may run on after the context of Subscribe ended, before their own ends: 10 s where zero.
	Grace time.Duration
	// Patience is for how long NATS may refuse the user before Subscribe gives up: 2 min where zero. Passwords of
	// subscribers are checked by Ashbridge, and while that restarts, NATS refuses everybody.
	Patience time.Duration
	// OnCaughtUp is called once, when all that lay in the stream as Subscribe began has been handled. An event that
	// failed and is tried again does not hold it up. nil for none.
	OnCaughtUp func()
	// NATS are further options of the connection, such as nats.RootCAs. Those that this package needs win over them.
	NATS []nats.Option
	// Logger hears of interruptions, repairs and handlers' errors; silent where nil.
	Logger *slog.Logger

	pace pace
}

// pace are the times that are the same for everybody, but for tests.
type pace struct {
	// heartbeat is how often the server says that a request for events is alive; after two and a half without a sign
	// the connection is given up.
	heartbeat time.Duration
	// expires is how long a request for events stands.
	expires time.Duration
	// ping is how often the connection is tried; after two pings without an answer it is given up.
	ping time.Duration
	// probe is how long nothing may come before the server is asked whether it has something.
	probe time.Duration
	// call bounds a request to the server.
	call time.Duration
	// reconnect and retry are the longest pauses between attempts to connect, and to have an event handled.
	reconnect, retry time.Duration
	// reached is how often the place in the stream is stored, audit how often the stream is compared with what came.
	reached, audit time.Duration
}

var usual = pace{
	heartbeat: 5 * time.Second, expires: 30 * time.Second, ping: 5 * time.Second, probe: 30 * time.Second,
	call: 5 * time.Second, reconnect: 5 * time.Second, retry: 30 * time.Second, reached: time.Second, audit: time.Hour,
}

// complete returns the options with their defaults, or says all that is wrong with them.
func (o Options) complete() (Options, error) {
	var faults []error
	if o.URL == "" {
		faults = append(faults, errors.New("no URL"))
	}
	if (o.User == "") != (o.Password == "") {
		faults = append(faults, errors.New("one of User and Password is missing"))
	}
	if o.User != "" && len(o.Connections) > 0 {
		faults = append(faults, errors.New("a subscriber has no Connections here: PATCH /v1/subscribers/{id} changes its employers"))
	}
	for _, id := range append([]string{o.User}, o.Connections...) {
		if strings.ContainsAny(id, ".*> \t\r\n") {
			faults = append(faults, fmt.Errorf("%q is no id", id))
		}
	}
	if o.Parallel < 0 || o.Buffer < 0 || o.Grace < 0 || o.Patience < 0 {
		faults = append(faults, errors.New("one of Parallel, Buffer, Grace and Patience is negative"))
	}
	if err := errors.Join(faults...); err != nil {
		return o, fmt.Errorf("jobfeed options: %w", err)
	}
	setDefault(&o.Parallel, 8)
	setDefault(&o.Buffer, 512)
	setDefault(&o.Grace, 10*time.Second)
	setDefault(&o.Patience, 2*time.Minute)
	setDefault(&o.pace, usual)
	if o.Positions == nil {
		o.Positions = NewMemory()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// subjects are those of the chosen employers.
func (o Options) subjects() []string {
	if len(o.Connections) == 0 {
		return events.Subjects()
	}
	var out []string
	for _, id := range o.Connections {
		out = append(out, events.JobSubject(id, "*"), events.ConnectionSubject(id))
	}
	return out
}
