package ashbytest

import (
	"bytes"
	"compress/gzip"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// bombSize is more than the 32 MiB that a careful client reads.
	bombSize = 40 << 20
	// trickleEvery is the pause between the bytes of a slow body.
	trickleEvery = 20 * time.Millisecond
)

// The parts of an empty list, which a client that reads too much takes for an answer.
const (
	hollowStart = `{"success":true,"moreDataAvailable":false,"results":[`
	hollowEnd   = `]}`
)

// blanks are written many times over.
var blanks = bytes.Repeat([]byte(" "), 64<<10)

// bomb is the compressed empty list in bombSize of blanks. It is made once, when it is first wanted, of parts that follow
// one another, as a gzip file may have: so that the blanks are compressed only once.
var bomb = sync.OnceValue(func() []byte {
	const part = 1 << 20
	out := zipped([]byte(hollowStart))
	out = append(out, bytes.Repeat(zipped(bytes.Repeat([]byte(" "), part)), bombSize/part)...)
	return append(out, zipped([]byte(hollowEnd))...)
})

func zipped(text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text) // a buffer never fails
	_ = w.Close()
	return out.Bytes()
}

func (c *call) startBody() {
	c.status = http.StatusOK
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write([]byte(hollowStart)) // a client that left is noticed at the next write
}

func (c *call) flush() {
	if flusher, ok := c.w.(http.Flusher); ok {
		flusher.Flush()
	}
}

// oversized sends the empty list in bombSize of blanks, as long as the client reads.
func (c *call) oversized() {
	c.startBody()
	for range bombSize / len(blanks) {
		if _, err := c.w.Write(blanks); err != nil {
			return
		}
	}
	_, _ = c.w.Write([]byte(hollowEnd))
}

// hang waits for the client or the simulator to end.
func (s *Simulator) hang(c *call) {
	select {
	case <-c.r.Context().Done():
	case <-s.lifetime.Done():
	}
	panic(http.ErrAbortHandler) // the documented way to end a connection without an answer
}

// trickle sends blanks until the client or the simulator ends.
func (s *Simulator) trickle(c *call) {
	c.startBody()
	tick := time.NewTicker(trickleEvery)
	defer tick.Stop()
	for {
		c.flush()
		select {
		case <-tick.C:
		case <-c.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-s.lifetime.Done():
			panic(http.ErrAbortHandler)
		}
		if _, err := c.w.Write(blanks[:1]); err != nil {
			return
		}
	}
}

// reset has the kernel send a reset instead of an orderly end, where there is a connection to be had.
func (c *call) reset() {
	if hijacker, ok := c.w.(http.Hijacker); ok {
		if conn, _, err := hijacker.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close() // nobody reads on
			return
		}
	}
	panic(http.ErrAbortHandler)
}
