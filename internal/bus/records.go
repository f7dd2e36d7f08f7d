package bus

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// RecordMsg addresses a message of RECORDS; type and data are the caller's to add. Its id is made of the record and its
// version. It refuses what cannot be one token of a subject each: an id from outside must not be able to widen or shift
// it.
func RecordMsg(connection, kind, id string, version int64) (Msg, error) {
	if !isToken(connection) || !isToken(kind) || !isToken(id) {
		return Msg{}, fmt.Errorf("record of kind %q with id %q of connection %q: %w", kind, id, connection, ErrNoSubject)
	}
	return Msg{
		Subject: events.RecordSubject(connection, kind, id),
		ID:      connection + "." + kind + "." + id + "." + strconv.FormatInt(version, 10),
		Version: version,
	}, nil
}

// PublishRecords publishes messages to RECORDS as PublishBatch does to JOBS, with the same errors.
func (b *Bus) PublishRecords(ctx context.Context, msgs []Msg, expected uint64) (uint64, error) {
	for _, m := range msgs {
		if !isRecordSubject(m.Subject) {
			return 0, fmt.Errorf("message to %q: %w", m.Subject, ErrNoSubject)
		}
	}
	return b.publishBatch(ctx, StreamRecords, msgs, expected)
}

// FenceRecords moves the last sequence of RECORDS on, so that whoever still expects the present one is refused: a relay
// that was paused past its lease and holds what it read before. It leaves at most one message behind, on a subject that
// is no record's. Errors as those of PublishRecords.
func (b *Bus) FenceRecords(ctx context.Context, expected uint64) (uint64, error) {
	fence := Msg{Subject: recordsFence, ID: recordsFence + "." + strconv.FormatUint(expected, 10)}
	return b.publishBatch(ctx, StreamRecords, []Msg{fence}, expected)
}

// PurgeRecords removes the messages of a connection's kind from RECORDS; an empty connection or kind stands for all. The
// stream's last sequence stays as it is.
func (b *Bus) PurgeRecords(ctx context.Context, connection, kind string) error {
	for _, token := range []string{connection, kind} {
		if token != "" && !isToken(token) {
			return fmt.Errorf("records of kind %q of connection %q: %w", kind, connection, ErrNoSubject)
		}
	}
	subject := events.RecordSubject(cmp.Or(connection, "*"), cmp.Or(kind, "*"), "*")
	return b.purge(ctx, StreamRecords, jetstream.WithPurgeSubject(subject))
}

func isRecordSubject(subject string) bool {
	tokens := strings.Split(subject, ".")
	if len(tokens) != 5 {
		return false
	}
	for _, token := range tokens {
		if !isToken(token) {
			return false
		}
	}
	return events.RecordSubject(tokens[2], tokens[3], tokens[4]) == subject
}
