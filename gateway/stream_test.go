package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// deadlineConn notes the write deadlines that it is given.
type deadlineConn struct {
	net.Conn
	deadlines []time.Time
}

func (c *deadlineConn) SetWriteDeadline(t time.Time) error {
	c.deadlines = append(c.deadlines, t)
	return nil
}

func TestStreamGivesEachPieceItsTime(t *testing.T) {
	t.Parallel()
	conn := &deadlineConn{}
	var sent []int
	var ends []error
	end := func(n int, err error) { sent, ends = append(sent, n), append(ends, err) }
	before := time.Now()
	s := newStream(conn, func(w io.Writer) error {
		for _, piece := range []string{"one", "two", "three"} {
			if _, err := io.WriteString(w, piece); err != nil {
				return err
			}
		}
		return nil
	}, end)
	var b bytes.Buffer
	if n, err := s.WriteTo(&b); n != 11 || err != nil || b.String() != "onetwothree" {
		t.Errorf("%d bytes, %v: %s", n, err, &b)
	}
	if len(conn.deadlines) != 3 {
		t.Fatalf("%d deadlines", len(conn.deadlines))
	}
	for _, d := range conn.deadlines {
		if d.Before(before.Add(writeTimeout)) || d.After(time.Now().Add(writeTimeout)) {
			t.Errorf("a deadline in %s", d.Sub(before))
		}
	}
	failing := newStream(conn, func(io.Writer) error { return errBoom }, end)
	if _, err := failing.WriteTo(&b); !errors.Is(err, errBoom) {
		t.Errorf("%v", err)
	}
	for _, s := range []*stream{s, failing, newStream(conn, nil, end)} {
		for range 2 { // fasthttp may close twice
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if len(ends) != 3 || ends[0] != nil || sent[0] != 11 || !errors.Is(ends[1], errBoom) || !errors.Is(ends[2], errUnsent) {
		t.Errorf("ended with %v, %v", sent, ends)
	}
}
