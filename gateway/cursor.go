package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// query reads a request's query parameters, strictly: one that is unknown or given twice is a fault, since a misspelt
// filter that is ignored gives a wrong answer.
type query struct {
	form
	values map[string]string
}

func readQuery(c *fiber.Ctx, known ...string) *query {
	q := &query{values: make(map[string]string)}
	for k, v := range c.Context().QueryArgs().All() {
		name := string(k)
		if _, twice := q.values[name]; twice {
			q.fault(clip(name), "it is given twice")
		}
		q.values[name] = string(v)
	}
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		if !slices.Contains(known, name) {
			q.fault(clip(name), "there is no such parameter; there are "+strings.Join(known, ", "))
		}
	}
	return q
}

func (q *query) value(name string) string { return q.values[name] }

// limit reads the size of a page.
func (q *query) limit() int {
	s, ok := q.values["limit"]
	if !ok {
		return defaultLimit
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxLimit {
		q.fault("limit", "it must be a number from 1 to 200")
	}
	return n
}

// connection reads the id of a connection, empty where it is not given.
func (q *query) connection() string {
	id := q.values["connection"]
	if id != "" && !idShape.MatchString(id) {
		q.fault("connection", "it must be the id of a connection")
	}
	return id
}

// since reads the time from which on changes are asked for, zero where it is not given.
func (q *query) since() time.Time { return q.time("updated_since") }

// time reads a time, zero where it is not given.
func (q *query) time(name string) time.Time {
	s := q.values[name]
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		q.fault(name, "it must be a time such as 2026-11-23T10:00:00Z")
	}
	return t
}

// truth reads a switch.
func (q *query) truth(name string) bool {
	switch q.values[name] {
	case "true":
		return true
	case "", "false":
	default:
		q.fault(name, "it must be true or false")
	}
	return false
}

// cursor reads a position that encodeCursor wrote; into stays as it is where there is none.
func (q *query) cursor(into any) {
	s, ok := q.values["cursor"]
	if !ok {
		return
	}
	if err := decodeCursor(s, into); err != nil {
		q.fault("cursor", "it must be a next_cursor of an earlier answer")
	}
}

// cursorVersion is the first byte of every cursor.
const cursorVersion = "1"

// encodeCursor makes an opaque cursor of a position.
func encodeCursor(position any) string {
	b, err := json.Marshal(position)
	if err != nil {
		// Positions are strings and times of our own making.
		return ""
	}
	return cursorVersion + base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(s string, into any) error {
	rest, ok := strings.CutPrefix(s, cursorVersion)
	if !ok {
		return errors.New("unknown cursor version")
	}
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil {
		return err
	}
	if bytes.Contains(b, []byte(`\u0000`)) {
		return errors.New("a position without a place in the store")
	}
	return json.Unmarshal(b, into)
}

// nextCursor continues a list after the position of the last entry; nil where the page is not full, so at its end.
func nextCursor[E any](page []E, limit int, position func(last E) any) *string {
	if len(page) == 0 || len(page) < limit {
		return nil
	}
	next := encodeCursor(position(page[len(page)-1]))
	return &next
}
