package jobfeed

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// envelope is an event with its data read in the same pass: read on its own, it would be looked through twice more, which
// is half of what a snapshot costs.
type envelope[T any] struct {
	events.Event
	Data *T `json:"data"`
}

// decode reads a message's body.
func decode(d delivery) (Event, error) {
	e := Event{
		Connection: d.connection, Posting: d.posting, Version: d.version, Sequence: d.sequence, Received: d.received,
	}
	var err error
	if d.posting != "" {
		e.Event, e.Job, err = decodeAs[events.JobData](d.body)
	} else {
		e.Event, e.State, err = decodeAs[events.ConnectionData](d.body)
	}
	return e, err
}

func decodeAs[T any](body []byte) (events.Event, *T, error) {
	var e envelope[T]
	if err := json.Unmarshal(body, &e); err != nil {
		return events.Event{}, nil, fmt.Errorf("reading the event: %w", err)
	}
	if e.Data == nil {
		return events.Event{}, nil, fmt.Errorf("reading the event: no data")
	}
	e.Event.Data = rawData(body)
	return e.Event, e.Data, nil
}

// rawData returns the value of "data" in an object that is known to be valid JSON, nil where there is none.
func rawData(object []byte) json.RawMessage {
	var name []byte // the last string at the top level: before a colon, it is a name
	depth, start := 0, -1
	for i := 0; i < len(object); i++ {
		switch object[i] {
		case '"':
			end := stringEnd(object, i)
			if depth == 1 && start < 0 {
				name = object[i+1 : end]
			}
			i = end
		case '{', '[':
			depth++
		case ':':
			if depth == 1 && start < 0 && string(name) == "data" {
				start = i + 1
			}
		case '}', ']', ',':
			if depth == 1 && start >= 0 {
				return bytes.TrimSpace(object[start:i])
			}
			if object[i] != ',' {
				depth--
			}
		}
	}
	return nil
}

// stringEnd is where the string that begins at a quote has its other one.
func stringEnd(object []byte, quote int) int {
	for i := quote + 1; i < len(object); i++ {
		switch object[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(object) - 1
}
