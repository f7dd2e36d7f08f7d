package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// faultsOfOrder judges P3: no id twice, and per subject, the connections' own included, versions that rise by one. They
// begin at 1, unless the stream has dropped the oldest because it keeps no more of a subject.
func faultsOfOrder(ms []message) []string {
	var faults []string
	ids := map[string]uint64{}
	kept := map[string][]int64{}
	for _, m := range ms {
		if prior, twice := ids[m.Event.ID]; twice {
			faults = append(faults, fmt.Sprintf("event id %s at %d and again at %d", m.Event.ID, prior, m.Seq))
		}
		ids[m.Event.ID] = m.Seq
		if before := kept[m.Subject]; len(before) > 0 && m.Version != before[len(before)-1]+1 {
			faults = append(faults, fmt.Sprintf("%s: version %d follows %d at %d", m.Subject, m.Version, before[len(before)-1], m.Seq))
		}
		kept[m.Subject] = append(kept[m.Subject], m.Version)
	}
	for subject, versions := range kept {
		if len(versions) < bus.KeptPerSubject && versions[0] != 1 {
			faults = append(faults, fmt.Sprintf("%s begins with version %d and has %d messages", subject, versions[0], len(versions)))
		}
		if len(versions) > bus.KeptPerSubject {
			faults = append(faults, fmt.Sprintf("%s has %d messages", subject, len(versions)))
		}
	}
	return faults
}

// logged is an event as the log in Postgres has it.
type logged struct {
	ID      string
	Subject string
	Version int64
	Type    events.Type
	Data    string
}

// readLog reads the whole log, by object and version.
func readLog(ctx context.Context, db *sql.DB) ([]logged, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, connection_id, posting_id, version, type, data::text
		FROM events ORDER BY connection_id, posting_id, version`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []logged
	for rows.Next() {
		var l logged
		var connection, posting string
		if err := rows.Scan(&l.ID, &connection, &posting, &l.Version, &l.Type, &l.Data); err != nil {
			return nil, err
		}
		l.Subject = events.JobSubject(connection, posting)
		if posting == "" {
			l.Subject = events.ConnectionSubject(connection)
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// faultsOfLog judges the first half of P4, both ways: every event on the stream is a committed one, word for word, and
// the last committed ones of each object, as many as the stream keeps, are on the stream. The log itself, by object and
// version, begins at 1 and has no gap.
func faultsOfLog(log []logged, ms []message) []string {
	var faults []string
	committed := map[string]logged{}
	objects := map[string][]logged{}
	for _, l := range log {
		if _, twice := committed[l.ID]; twice {
			faults = append(faults, fmt.Sprintf("event id %s is in the log twice", l.ID))
		}
		committed[l.ID] = l
		objects[l.Subject] = append(objects[l.Subject], l)
		if want := int64(len(objects[l.Subject])); l.Version != want {
			faults = append(faults, fmt.Sprintf("%s: version %d in the log where %d is due", l.Subject, l.Version, want))
		}
	}
	published := map[string]bool{}
	for _, m := range ms {
		published[m.Event.ID] = true
		l, ok := committed[m.Event.ID]
		switch {
		case !ok:
			faults = append(faults, fmt.Sprintf("event %s of %s at %d is not in the log", m.Event.ID, m.Subject, m.Seq))
		case l.Subject != m.Subject || l.Type != m.Event.Type || l.Version != m.Version || !sameJSON(l.Data, string(m.Event.Data)):
			faults = append(faults, fmt.Sprintf("event %s at %d differs from the log", m.Event.ID, m.Seq))
		}
	}
	for subject, ls := range objects {
		for _, l := range ls[max(0, len(ls)-bus.KeptPerSubject):] {
			if !published[l.ID] {
				faults = append(faults, fmt.Sprintf("%s: version %d (%s) is in the log and not on the stream", subject, l.Version, l.ID))
			}
		}
	}
	return faults
}

// sameJSON compares two documents; the order of members does not count, every digit of a number does.
func sameJSON(a, b string) bool {
	x, errX := decodeExact(a)
	y, errY := decodeExact(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func decodeExact(doc string) (v any, err error) {
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}
