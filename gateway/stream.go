package gateway

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// stream is the body of an answer that is written while it is sent, in the goroutine that serves the connection: nothing
// of it waits in memory but what the writer buffers.
//
// fasthttp gives a whole answer one write deadline, which a large document cannot meet. A stream sets a new one before
// each piece, so that a client that takes nothing for writeTimeout is let go, while one that takes its time is not. When
// write fails, the last chunk is never sent and the connection is closed, so that the client knows that the document is
// not complete.
type stream struct {
	conn  net.Conn
	write func(w io.Writer) error
	// end is called once the answer was sent or cannot be, with the bytes that were handed to the connection.
	end func(sent int, err error)

	sent  int
	err   error
	ended bool
}

var _ fasthttp.BodyWriterTo = (*stream)(nil)

var errUnsent = errors.New("the answer was not sent")

// newStream returns a stream that counts as unsent until it was written.
func newStream(conn net.Conn, write func(w io.Writer) error, end func(sent int, err error)) *stream {
	return &stream{conn: conn, write: write, end: end, err: errUnsent}
}

// SupportsBodyWriteTo has fasthttp call WriteTo instead of Read.
func (*stream) SupportsBodyWriteTo() bool { return true }

// WriteTo writes the body in chunks.
func (s *stream) WriteTo(w io.Writer) (int64, error) {
	s.err = errors.New("writing the answer broke off")
	s.err = s.write(pacedWriter{s, w})
	return int64(s.sent), s.err
}

// Read satisfies io.Reader; nothing calls it.
func (*stream) Read([]byte) (int, error) { return 0, errors.New("a stream is written, not read") }

// Close is called after the answer, whatever became of it.
func (s *stream) Close() error {
	if !s.ended {
		s.ended = true
		s.end(s.sent, s.err)
	}
	return nil
}

// pacedWriter gives each write a deadline of its own.
type pacedWriter struct {
	s *stream
	w io.Writer
}

func (p pacedWriter) Write(b []byte) (int, error) {
	if err := p.s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.s.sent += n
	return n, err
}
