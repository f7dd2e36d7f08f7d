package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// row is a listing as Postgres has it.
type row struct {
	State   string
	Version int64
	Title   string
	Text    string
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
	rows, err := db.QueryContext(ctx, `SELECT posting_id, state, version, job->>'title', job->>'description_html'
		FROM listings WHERE connection_id = $1`, connection)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := map[string]row{}
	for rows.Next() {
		var id string
		var r row
		if err := rows.Scan(&id, &r.State, &r.Version, &r.Title, &r.Text); err != nil {
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

// agree checks P2 for one employer: Ashby's state = Postgres = the state folded from the stream.
func agree(ctx context.Context, db *sql.DB, natsURL, connection string, org *ashbytest.Organization) error {
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
	rows, err := listings(ctx, db, connection)
	if err != nil {
		return err
	}
	ms, err := readStream(ctx, natsURL)
	if err != nil {
		return err
	}
	stream := folded(ms)
	truth := map[string]ashbytest.PostingState{}
	for _, p := range org.Postings() {
		if p.Public() {
			truth[p.ID] = p
		}
	}
	return compare(connection, truth, rows, stream)
}

func compare(connection string, truth map[string]ashbytest.PostingState, rows map[string]row, stream map[string]message) error {
	var faults []string
	for id, p := range truth {
		r, ok := rows[id]
		switch {
		case !ok || r.State != "open":
			faults = append(faults, fmt.Sprintf("%s is public at Ashby and %q in Postgres", id, r.State))
		case r.Title != p.Title:
			faults = append(faults, fmt.Sprintf("%s is %q at Ashby and %q in Postgres", id, p.Title, r.Title))
		}
	}
	for id, r := range rows {
		if _, public := truth[id]; r.State == "open" && !public {
			faults = append(faults, id+" is open in Postgres and not public at Ashby")
		}
		m, ok := stream[events.JobSubject(connection, id)]
		switch {
		case !ok:
			faults = append(faults, id+" is missing on the stream")
		case m.Job.Version != r.Version || m.Job.Job.Title != r.Title || (m.Event.Type == events.JobClosed) != (r.State == "closed"):
			faults = append(faults, fmt.Sprintf("%s: version %d %s on the stream, %d %s in Postgres",
				id, m.Job.Version, m.Event.Type, r.Version, r.State))
		}
	}
	for subject := range stream {
		id, mine := strings.CutPrefix(subject, "jobs.v1."+connection+".")
		if _, ok := rows[id]; mine && !ok {
			faults = append(faults, subject+" is on the stream and not in Postgres")
		}
	}
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	return fmt.Errorf("%d faults: %s", len(faults), strings.Join(faults[:min(len(faults), 8)], "; "))
}

// agreed waits until P2 holds, then checks P3 over the whole stream and P4 over the log.
func (s *system) agreed(es ...employer) []message {
	s.t.Helper()
	db := openSQL(s.t, s.dbURL)
	for _, e := range es {
		s.eventually("Ashby, Postgres and the stream agree", func() error {
			return agree(s.t.Context(), db, s.nats.URL(), e.id, e.org)
		})
	}
	ms, err := readStream(s.t.Context(), s.nats.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	judgeOrder(s.t, ms)
	judgeCommitted(s.t, db, ms)
	return ms
}

// judgeCommitted checks the first half of P4: every event on the stream is a committed one, word for word.
func judgeCommitted(t testing.TB, db *sql.DB, ms []message) {
	t.Helper()
	for _, m := range ms {
		var data string
		err := db.QueryRowContext(t.Context(), `SELECT data::text FROM events WHERE id = $1`, m.Event.ID).Scan(&data)
		if err != nil {
			t.Errorf("event %s of %s at %d is not in the log: %v", m.Event.ID, m.Subject, m.Seq, err)
			continue
		}
		if !sameJSON(data, string(m.Event.Data)) {
			t.Errorf("event %s at %d differs from the log", m.Event.ID, m.Seq)
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

// judgeRefreshed checks P1: each webhook answered 2xx was followed by a read of its object, or by a listing, whose
// first call started after the answer.
func judgeRefreshed(t testing.TB, deliveries []ashbytest.Attempt, requests []ashbytest.Request) int {
	t.Helper()
	latest := map[string]time.Time{}
	var listed time.Time
	for _, r := range requests {
		key := r.Org + "/" + r.ID
		if r.ID != "" && r.At.After(latest[key]) {
			latest[key] = r.At
		}
		if r.Method == "jobPosting.list" && r.At.After(listed) {
			listed = r.At
		}
	}
	judged := 0
	for _, d := range deliveries {
		if d.Action == "ping" || d.Status < 200 || d.Status > 299 {
			continue
		}
		judged++
		if !latest[d.Org+"/"+d.Object].After(d.AnsweredAt) && !listed.After(d.AnsweredAt) {
			t.Errorf("webhook %s of %s was answered %d at %s, and nothing was read after that", d.Action, d.Object, d.Status, d.AnsweredAt)
		}
	}
	return judged
}
