package jobfeed_test

import (
	"database/sql"
	"slices"
	"testing"

	_ "github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/jobfeed/jobfeedtest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// These examples need servers elsewhere: they are compiled, and not run.
var _ = []func(){ExampleOpen, Example_postgres}

func TestMemory(t *testing.T) {
	t.Parallel()
	jobfeedtest.TestPositions(t, func(*testing.T) jobfeed.Positions { return jobfeed.NewMemory() })
}

// exampleBoard is that of the example, on a database of its own.
func exampleBoard(t *testing.T) Board {
	t.Helper()
	db, err := sql.Open("postgres", localtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), boardTables); err != nil {
		t.Fatal(err)
	}
	return Board{DB: db}
}

func TestExamplePositions(t *testing.T) {
	t.Parallel()
	jobfeedtest.TestPositions(t, func(t *testing.T) jobfeed.Positions { return exampleBoard(t) })
}

func TestExampleBoard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish("a", "b")
	w.consumer()
	board := exampleBoard(t)
	o := w.options(true)
	o.Positions = board
	titles := func() (out []string) {
		rows, err := board.DB.QueryContext(t.Context(), `SELECT title FROM jobs ORDER BY key`)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var title string
			if err := rows.Scan(&title); err != nil {
				t.Fatal(err)
			}
			out = append(out, title)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	wants := func(want ...string) {
		t.Helper()
		bustest.Eventually(t, "the board has its jobs", func() bool { return slices.Equal(titles(), want) })
	}
	s := subscribe(t, o, board.Handle)
	wants("c/a v1", "c/b v1")
	s.end()
	w.publish("b")
	closed := w.next("c", "a")
	closed.Type = events.JobClosed
	closed.Data = mustJSON(t, events.Event{ID: closed.ID, Type: events.JobClosed, Data: mustJSON(t, events.JobData{Version: 2})})
	w.send([]bus.Msg{closed})
	subscribe(t, o, board.Handle)
	wants("c/b v2")
}
