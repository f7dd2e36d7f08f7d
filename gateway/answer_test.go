package gateway

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// TestHintLeavesAfterTheAnswer has a client that does not take its answer: over a pipe without a buffer the server's
// write waits for it. The webhook is committed, and its hint must wait too, since a refresh is promised to start after
// the answer.
func TestHintLeavesAfterTheAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	eventually(t, "the registration's own hint is out", func() bool { return len(b.bus.published()) == 1 })
	client, server := net.Pipe()
	served := make(chan error, 1)
	app := b.newApp(t.Context())
	b.conns.track(app.Server())
	if app.Handler() == nil { // builds the routes
		t.Fatal("no handler")
	}
	go func() { served <- app.Server().ServeConn(server) }() // ends with the pipe, below
	body := postingUpdate("a-1", "posting-7")
	if err := client.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := fmt.Fprintf(client, "POST /hooks/ashby/%s/jobPostingUpdate HTTP/1.1\r\nHost: x\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
		e.token, ashby.SignatureHeader, ashby.Sign(body, e.secret), len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReaderSize(client, 16) // less than the answer, so that the server's write stays blocked
	if _, err := reader.Peek(1); err != nil { // the answer has begun to leave, and cannot go on
		t.Fatal(err)
	}
	hint := mirror.Hint{Connection: e.ID, Kind: "posting", ID: "posting-7"}
	if slices.Contains(b.bus.published(), hint) {
		t.Error("the hint left before the answer")
	}
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("answered %d", resp.StatusCode)
	}
	eventually(t, "the hint follows", func() bool { return slices.Contains(b.bus.published(), hint) })
	_ = client.Close()
	if err := <-served; err != nil {
		t.Logf("the connection ended: %v", err)
	}
}
