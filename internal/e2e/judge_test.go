package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	_ "github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The judges are functions from what was seen to a list of faults; judges_test.go shows each of them both kinds.

// verdict turns faults into an error, nil where there are none.
func verdict(faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	return fmt.Errorf("%d faults: %s", len(faults), strings.Join(faults[:min(len(faults), 8)], "; "))
}

// row is a listing as Postgres has it.
type row struct {
	State   string
	Version int64
	Reason  string
	// Doc is the public job as it is stored, Job the same decoded.
	Doc string
	Job events.Job
}

// openSQL opens the database for the judges' own questions.
func openSQL(t testing.TB, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// listings reads a connection's listings.
func listings(ctx context.Context, db *sql.DB, connection string) (map[string]row, error) {
	rows, err := db.QueryContext(ctx, `SELECT posting_id, state, version, reason, job::text
		FROM listings WHERE connection_id = $1`, connection)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := map[string]row{}
	for rows.Next() {
		var id string
		var r row
		if err := rows.Scan(&id, &r.State, &r.Version, &r.Reason, &r.Doc); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(r.Doc), &r.Job); err != nil {
			return nil, err
		}
		out[id] = r
	}
	return out, rows.Err()
}

// number asks for one number.
func number(ctx context.Context, db *sql.DB, query string, args ...any) (int64, error) {
	var n int64
	err := db.QueryRowContext(ctx, query, args...).Scan(&n)
	return n, err
}

// isQuiet says with an error what still waits to be worked on.
func isQuiet(ctx context.Context, db *sql.DB) error {
	for _, q := range []struct{ what, query string }{
		{"webhooks wait", `SELECT count(*) FROM webhook_inbox WHERE processed_at IS NULL`},
		{"events wait", `SELECT count(*) FROM outbox`},
	} {
		n, err := number(ctx, db, q.query)
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%d %s", n, q.what)
		}
	}
	return nil
}

// agree checks P2 for one employer: Ashby's state = Postgres = the state folded from the stream.
func agree(ctx context.Context, db *sql.DB, natsURL, connection string, org *ashbytest.Organization) error {
	if err := isQuiet(ctx, db); err != nil {
		return err
	}
	rows, err := listings(ctx, db, connection)
	if err != nil {
		return err
	}
	public, err := publicAtAshby(org)
	if err != nil {
		return err
	}
	if err := verdict(faultsOfListings(public, rows)); err != nil {
		return err // before the stream is read, which takes longer
	}
	ms, err := readStream(ctx, natsURL)
	if err != nil {
		return err
	}
	return verdict(faultsOfStream(connection, rows, folded(ms)))
}

// judge waits until all webhooks are delivered and agreed holds, and holds the log, the stream, the answers to webhooks and the
// reads that followed them to the promises; more finds faults of the test's own. It returns the stream's messages and how many
// webhooks were judged.
func (p *processes) judge(db *sql.DB, agreed func() error, more ...func() []string) (ms []message, judged int) {
	t := p.t
	t.Helper()
	if err := p.sim.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, "Ashby, Postgres and the stream agree", agreed, p.logs.tail)
	ms, err := orderly(t.Context(), db, p.natsURL)
	if err != nil {
		t.Error(err)
	}
	judged, faults := faultsOfRefresh(p.sim.Deliveries(), p.sim.Requests())
	faults = append(faults, faultsOfAnswers(p.sim.Deliveries())...)
	for _, find := range more {
		faults = append(faults, find()...)
	}
	if err := verdict(faults); err != nil {
		t.Error(err)
	}
	return ms, judged
}

// orderly checks P3 over the whole stream and P4 over the log, and returns the stream.
func orderly(ctx context.Context, db *sql.DB, natsURL string) ([]message, error) {
	ms, err := readStream(ctx, natsURL)
	if err != nil {
		return nil, err
	}
	log, err := readLog(ctx, db) // after the stream, so that what is on the stream and not in the log never was
	if err != nil {
		return nil, err
	}
	return ms, verdict(slices.Concat(faultsOfOrder(ms), faultsOfLog(log, ms)))
}

// agreed waits until P2 holds, then for P3 and P4: an event that was logged a moment ago may still be on its way.
func (s *system) agreed(es ...employer) []message {
	s.t.Helper()
	db := s.sql
	for _, e := range es {
		s.eventually("Ashby, Postgres and the stream agree", func() error {
			return agree(s.t.Context(), db, s.natsURL(), e.id, e.org)
		})
	}
	var ms []message
	s.eventually("the stream and the log agree", func() (err error) {
		ms, err = orderly(s.t.Context(), db, s.natsURL())
		return err
	})
	return ms
}

// refreshed waits until all webhooks are delivered and worked on, checks P1, and tells how many were judged. The
// simulator notes a read when it has answered it, which may be a moment after Ashbridge is done with the answer.
func (s *system) refreshed() (judged int) {
	s.t.Helper()
	db := s.sql
	if err := s.sim.WaitDelivered(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.eventually("every webhook is followed by a read of its object", func() error {
		if err := isQuiet(s.t.Context(), db); err != nil {
			return err
		}
		var faults []string
		judged, faults = faultsOfRefresh(s.sim.Deliveries(), s.sim.Requests())
		return verdict(faults)
	})
	return judged
}
