package jobfeed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Event is one event of a job or of a connection. Event.ID, Event.Type and Event.Time are those of the CloudEvent.
type Event struct {
	events.Event
	// Connection is the connection's id, Posting the posting's, empty for connection events.
	Connection, Posting string
	// Version rises with each event of the job or connection.
	Version int64
	// Missed is how many versions lie between this event and the one that was handled before it; 0 for the first one
	// that is known of a job.
	Missed int64
	// Sequence is the message's place in the stream.
	Sequence uint64
	// Attempt counts the calls of the handler with this event by this process, from 1.
	Attempt int
	// Job is set on job events, State on connection events.
	Job   *events.JobData
	State *events.ConnectionData
	// Received is when the message arrived here.
	Received time.Time
}

// Handler takes an event. After an error it is called again with the same event, ever more slowly, while other jobs go
// on; once a newer event of the same job has come, that one takes its place, since it carries the whole job. An error
// that wraps Skip passes the event over for good. ctx ends when Subscribe's has ended and Options.Grace is over: until
// then a handler may finish what it does.
//
// Up to Options.Parallel handlers run at once, never two of one job. Types may be added to the contract: a handler
// ignores those that it does not know.
type Handler func(ctx context.Context, e Event) error

// Skip tells the feed that an event shall not be handed over again.
var Skip = errors.New("event skipped by its handler") //nolint:errname,staticcheck,revive // it reads as what it does: return jobfeed.Skip

// Key names the job or connection of the event, as Positions do: "<connection>/<posting>" or "<connection>".
func (e Event) Key() string { return key(e.Connection, e.Posting) }

func key(connection, posting string) string {
	if posting == "" {
		return connection
	}
	return connection + "/" + posting
}

// parseSubject reads what events.JobSubject and events.ConnectionSubject wrote.
func parseSubject(subject string) (connection, posting string, ok bool) {
	tokens := strings.Split(subject, ".")
	switch {
	case len(tokens) == 4 && subject == events.JobSubject(tokens[2], tokens[3]):
		return tokens[2], tokens[3], true
	case len(tokens) == 3 && subject == events.ConnectionSubject(tokens[2]):
		return tokens[2], "", true
	}
	return "", "", false
}

// decode reads a message's body.
func decode(d delivery) (Event, error) {
	e := Event{
		Connection: d.connection, Posting: d.posting, Version: d.version, Sequence: d.sequence, Received: d.received,
	}
	if err := json.Unmarshal(d.body, &e.Event); err != nil {
		return e, fmt.Errorf("reading the envelope: %w", err)
	}
	var data any
	if e.Posting != "" {
		e.Job = &events.JobData{}
		data = e.Job
	} else {
		e.State = &events.ConnectionData{}
		data = e.State
	}
	if err := json.Unmarshal(e.Data, data); err != nil {
		return e, fmt.Errorf("reading the data: %w", err)
	}
	return e, nil
}
