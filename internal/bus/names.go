package bus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The streams, each named here alone.
const (
	// StreamHints carries hints from whoever learns of a possible change to the owner of the partition.
	StreamHints = "HINTS"
	// StreamJobs carries the events that job boards read.
	StreamJobs = events.Stream
	// StreamRecords carries the state of all mirrored records, where that is wanted.
	StreamRecords = events.RecordsStream
	// StreamSpill keeps webhooks that arrive while Postgres is down.
	StreamSpill = "SPILL"
)

const (
	hintPrefix    = "hints."
	hintSubjects  = "hints.>"
	spillPrefix   = "spill."
	spillSubjects = "spill.*"
	spillConsumer = "spill"
	wakeSubject   = "ashbridge.wake.relay"
	// wakeWebhooksSubject wakes what posts events to endpoints.
	wakeWebhooksSubject = "ashbridge.wake.webhooks"
	// recordsFence is the one subject of RECORDS that is no record's; see FenceRecords.
	recordsFence = "ashbridge.fence.records"

	headerID          = "Nats-Msg-Id"
	headerContentType = "Content-Type"
	contentType       = "application/cloudevents+json"
)

// owned are the streams whose shape each service may change, as ops/nats/accounts.conf says.
func owned(service string) []string {
	switch service {
	case natsconf.UserGateway:
		return []string{StreamHints, StreamSpill}
	case natsconf.UserSyncer:
		return []string{StreamHints}
	case natsconf.UserNotifier:
		return []string{StreamJobs, StreamRecords}
	}
	return []string{StreamHints, StreamJobs, StreamRecords, StreamSpill}
}

// HintSubject is the subject of a hint: hints.<part>.<connection>.<kind>, and .<id> for a hint at one object.
func HintSubject(h mirror.Hint) string {
	s := hintPrefix + strconv.Itoa(h.Part()) + "." + h.Connection + "." + string(h.Kind)
	if h.ID != "" {
		s += "." + h.ID
	}
	return s
}

// ParseSubject reads what events.JobSubject or events.ConnectionSubject wrote; of the latter, posting is empty. ok is false
// for any other subject.
func ParseSubject(subject string) (connection, posting string, ok bool) {
	switch tokens := strings.Split(subject, "."); len(tokens) {
	case 3:
		return tokens[2], "", events.ConnectionSubject(tokens[2]) == subject
	case 4:
		return tokens[2], tokens[3], events.JobSubject(tokens[2], tokens[3]) == subject
	}
	return "", "", false
}

// ParseHintSubject reads what HintSubject wrote. It refuses a subject whose parts could not have come from it.
func ParseHintSubject(subject string) (mirror.Hint, error) {
	rest, ok := strings.CutPrefix(subject, hintPrefix)
	tokens := strings.Split(rest, ".")
	if !ok || len(tokens) < 3 || len(tokens) > 4 {
		return mirror.Hint{}, fmt.Errorf("no hint subject: %q", subject)
	}
	h := mirror.Hint{Connection: tokens[1], Kind: mirror.HintKind(tokens[2])}
	if len(tokens) == 4 {
		h.ID = tokens[3]
	}
	if err := validHint(h); err != nil {
		return mirror.Hint{}, err
	}
	if tokens[0] != strconv.Itoa(h.Part()) {
		return mirror.Hint{}, fmt.Errorf("hint subject %q names another partition than its connection's", subject)
	}
	return h, nil
}

// PartConsumer is the name of a partition's durable consumer on HINTS.
func PartConsumer(part int) string { return "part-" + strconv.Itoa(part) }

func partSubjects(part int) string { return hintPrefix + strconv.Itoa(part) + ".>" }

// validHint makes sure that a hint's parts are single tokens of a subject: an id from outside must not be able to
// widen or shift it.
func validHint(h mirror.Hint) error {
	if !isToken(h.Connection) || !isToken(string(h.Kind)) {
		return fmt.Errorf("hint with connection %q and kind %q cannot be a subject", h.Connection, h.Kind)
	}
	whole := h.Kind == mirror.HintPoll || h.Kind == mirror.HintAll
	if whole != (h.ID == "") || (h.ID != "" && !isToken(h.ID)) {
		return fmt.Errorf("hint of kind %q with id %q cannot be a subject", h.Kind, h.ID)
	}
	return nil
}

func isToken(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for _, c := range s {
		if c <= ' ' || c > '~' || c == '.' || c == '*' || c == '>' {
			return false
		}
	}
	return true
}
