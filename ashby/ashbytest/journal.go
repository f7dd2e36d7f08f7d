package ashbytest

import (
	"slices"
	"time"
)

// journalLimit bounds each log, so that a demo may run for weeks.
const journalLimit = 200_000

// journal is a log that keeps between half of journalLimit and all of it.
type journal[T any] struct{ rows []T }

func (j *journal[T]) add(row T) {
	if len(j.rows) >= journalLimit {
		j.rows = slices.Clone(j.rows[journalLimit/2:])
	}
	j.rows = append(j.rows, row)
}

// Request is one request that the simulator received.
type Request struct {
	// Org is the slug of the key's organisation, empty where no known key was sent.
	Org string
	// Key is the last four characters of the key.
	Key string
	// Method is Ashby's name of the endpoint, such as "jobPosting.info".
	Method string
	// ID is the object asked for; of a list, the object that it was narrowed to, empty when it was not.
	ID string
	// At is when the request arrived, before any latency or fault.
	At time.Time
	// Status is the HTTP status answered; 0 when the connection was cut or the client left.
	Status int
}

// Requests gives the requests answered so far, in the order of their answers; of a long run, only the last 100,000 or
// more.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests.rows)
}

// Attempt is one try to deliver a webhook.
type Attempt struct {
	Org string
	// Action is the event type, "ping" for pings.
	Action string
	// ActionID is the webhookActionId: the same over retries, over settings, and over related actions.
	ActionID string
	// Object is the id of the job or posting that the webhook is about.
	Object string
	URL    string
	// SentAt and AnsweredAt enclose the try; AnsweredAt is when it failed where there was no answer.
	SentAt     time.Time
	AnsweredAt time.Time
	// Status is the receiver's HTTP status, 0 when there was no answer.
	Status int
	// Attempt counts from 1.
	Attempt int
}

// Deliveries gives the webhook attempts that have ended so far; of a long run, only the last 100,000 or more.
func (s *Simulator) Deliveries() []Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attempts.rows)
}
