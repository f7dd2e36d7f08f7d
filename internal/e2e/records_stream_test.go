package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// recordMessage is a message of the stream RECORDS.
type recordMessage struct {
	Seq  uint64
	Raw  []byte
	Type events.Type
	Data events.RecordData
}

// readRecords returns the present state of each record on the stream RECORDS, by subject.
func readRecords(ctx context.Context, url string) (map[string]recordMessage, error) {
	ms, err := readMessages(ctx, url, bus.StreamRecords)
	if err != nil {
		return nil, err
	}
	out := map[string]recordMessage{}
	for _, m := range ms {
		if !strings.HasPrefix(m.Subject, "records.v1.") {
			continue // the relay's own fence
		}
		r := recordMessage{Seq: m.Seq, Raw: m.Raw}
		var e events.Event
		err := json.Unmarshal(m.Raw, &e)
		if err == nil {
			r.Type, err = e.Type, json.Unmarshal(e.Data, &r.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Subject, err)
		}
		out[m.Subject] = r
	}
	return out, nil
}

// told waits until no record waits to be told of, and returns the stream RECORDS.
func (s *system) told() (out map[string]recordMessage) {
	s.t.Helper()
	db := s.sql
	s.eventually("every record is told of", func() error {
		n, err := number(s.t.Context(), db, `SELECT (SELECT count(*) FROM record_outbox) + (SELECT count(*) FROM record_purges)`)
		if err == nil && n > 0 {
			err = errors.New("records wait")
		}
		if err == nil {
			out, err = readRecords(s.t.Context(), s.nats.URL())
		}
		return err
	})
	return out
}
