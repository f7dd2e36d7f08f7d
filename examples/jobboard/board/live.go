package board

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// writePatience is how long a page may take to accept what it is sent.
const writePatience = 10 * time.Second

// live is the stream of changes, as server-sent events: "job" for a change, "refresh" where a page has missed so much
// that it is to fetch everything, a comment from time to time so that nobody in between takes the silence for an end. A
// page that comes back says with Last-Event-ID, or at first with ?after=, up to where it knows.
func (b *Board) live(w http.ResponseWriter, r *http.Request) {
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.URL.Query().Get("after")
	}
	cl, missed, isLost, at, err := b.hub.join(after)
	if err != nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "Too many pages are being watched.", http.StatusServiceUnavailable)
		return
	}
	defer b.hub.leave(cl)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect the events
	s := stream{w: w, control: http.NewResponseController(w)}
	if s.send("retry: 1000\n\n") != nil { // the page is gone, here and below
		return
	}
	if isLost && s.send("id: %s\nevent: refresh\ndata: {}\n\n", at) != nil {
		return
	}
	for _, c := range missed {
		if s.change(b.hub, c) != nil {
			return
		}
	}
	beat := time.NewTicker(b.heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case c, ok := <-cl.changes:
			if !ok { // too slow, or the board stops
				return
			}
			err = s.change(b.hub, c)
		case <-beat.C:
			err = s.send(": beat\n\n")
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// stream writes events and sees to it that each leaves at once.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s stream) change(h *hub, c change) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.send("id: %s\nevent: job\ndata: %s\n\n", h.place(c.id), data)
}

func (s stream) send(format string, args ...any) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		return err
	}
	return s.control.Flush()
}
