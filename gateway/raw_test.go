package gateway

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// converse sends raw bytes on one connection and returns all that comes back until the server closes it or, if it stays
// open, says nothing for a while.
func (b *bundle) converse(t *testing.T, raw string) (answers string, closed bool) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	buf := make([]byte, 4096)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			return got.String(), !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

// TestNothingIsSmuggled sends requests whose end two readers could see in different places. Each must be refused, or at
// least be the last one on its connection, so that no bytes of its body are ever taken for another request. The
// fasthttp that Fiber itself asks for fails this; that is why go.mod asks for a newer one.
func TestNothingIsSmuggled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const smuggled = "GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n"
	head := "POST /hooks/ashby/x HTTP/1.1\r\nHost: x\r\n"
	for name, raw := range map[string]string{
		"LF after chunk size": head + "Transfer-Encoding: chunked\r\n\r\n0\n\r\n" + smuggled,
		"LF in chunk size line": head + "Transfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("%x\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
		"LF after chunk extension": head + "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
		"two Content-Lengths": head + fmt.Sprintf("Content-Length: %d\r\nContent-Length: 0\r\n\r\n", len(smuggled)) + smuggled,
		"two Content-Lengths, reversed": head +
			fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n", len(smuggled)) + smuggled,
		"Content-Length and chunked": head +
			fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", len(smuggled)+5) + smuggled,
		"chunked and Content-Length": head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"unknown transfer coding":    head + "Transfer-Encoding: chunked, x\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"spaced transfer coding":     head + "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"signed Content-Length":      head + "Content-Length: +0\r\n\r\n" + smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers, closed := b.converse(t, raw)
			if strings.Contains(answers, "openapi: 3.1") {
				t.Errorf("the smuggled request was served:\n%.300s", answers)
			}
			if !closed {
				t.Errorf("the connection stays open after\n%s", answers)
			}
		})
	}
	// The control: the same two requests, well formed, are both served on one connection.
	answers, _ := b.converse(t, head+"Content-Length: 0\r\n\r\n"+smuggled)
	if strings.Count(answers, "HTTP/1.1 ") != 2 || !strings.Contains(answers, "openapi: 3.1") {
		t.Errorf("well-formed pipelined requests were not served:\n%.300s", answers)
	}
}

func TestTooLargeIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answers, closed := b.converse(t, fmt.Sprintf("POST /hooks/ashby/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", maxBody+1))
	if !strings.HasPrefix(answers, "HTTP/1.1 413 ") || !strings.Contains(answers, problemPrefix+"too-large") || !closed {
		t.Errorf("closed %v, answered\n%s", closed, answers)
	}
}

func TestEncodedBodyIsNotUnpacked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(postingUpdate("a1", "p1")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r := hookRequest(e, packed.Bytes())
	r.header["Content-Encoding"] = "gzip"
	b.call(r).problem(t, http.StatusUnsupportedMediaType, "encoded-body")
	// Without the header the bytes are what they are: signed, and no JSON.
	delete(r.header, "Content-Encoding")
	if a := b.call(r); a.status != http.StatusOK || b.store.stored()[0].Action != unknownAction {
		t.Errorf("%d %s, stored %+v", a.status, a.body, b.store.stored())
	}
}

func TestChunkedWebhookIsTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	body := postingUpdate("a1", "p1")
	answers, _ := b.converse(t, fmt.Sprintf("POST /hooks/ashby/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s: %s\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", e.token, ashby.SignatureHeader,
		ashby.Sign(body, e.secret), len(body), body))
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answers)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK || len(b.store.stored()) != 1 {
		t.Errorf("%s", answers)
	}
}
