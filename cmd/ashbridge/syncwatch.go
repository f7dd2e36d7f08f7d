package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/internal/loop"
)

const (
	// redrawEvery is how often a terminal's line is drawn anew, lookEvery how often the gateway is asked.
	redrawEvery = 100 * time.Millisecond
	lookEvery   = 500 * time.Millisecond
	// lineEvery is how often a line is printed at most where lines cannot be redrawn.
	lineEvery = 5 * time.Second
)

// syncWatch shows how far a sync is until it is done. It only looks: ending it leaves the sync running.
type syncWatch struct {
	a    *asker
	id   string
	what string
	// isDone says that what is waited for is there.
	isDone func(apiclient.Connection) bool
	view   progressView
	// fine says that lines can be redrawn.
	fine bool
	// began is when the watching did.
	began time.Time
	// now is how far it was when the gateway was last asked.
	now progress
	// done is the connection's document at the end; nil before.
	done json.RawMessage
	// troubled is the last trouble that was told.
	troubled string
}

// newSyncWatch watches the first sync of a connection.
func newSyncWatch(a *asker, id, what string) *syncWatch {
	fine := isCapable(a.errOut()) && !a.asJSON
	return &syncWatch{
		a: a, id: id, what: what, fine: fine, began: time.Now(),
		isDone: func(c apiclient.Connection) bool { return c.Sync.FirstSyncedAt != nil },
		view: progressView{
			out: a.errOut(), fine: fine, colour: hasColour(a.errOut()),
			width: func() int { return widthOf(a.errOut()) },
		},
	}
}

// run watches until the sync is done, can never be, or ctx ends, which is no error.
func (w *syncWatch) run(ctx context.Context) error {
	pause := lookEvery
	if w.fine {
		pause = redrawEvery
	}
	var looked time.Time
	for ctx.Err() == nil {
		if time.Since(looked) >= lookEvery || looked.IsZero() {
			looked = time.Now()
			isDone, err := w.look(ctx)
			if isDone || err != nil && ctx.Err() == nil {
				w.view.end()
				return err
			}
		}
		w.view.show(w.now, time.Now())
		_ = loop.Sleep(ctx, pause) // the loop's head looks at ctx
	}
	w.view.end()
	w.a.tell("No longer watching; %s goes on. `ashbridge connections show %s` tells how far it is.", w.what, w.id)
	return nil
}

// look asks once how it stands.
func (w *syncWatch) look(ctx context.Context) (isDone bool, err error) {
	var c apiclient.Connection
	answer, err := w.a.Call(ctx, http.MethodGet, apiclient.Path("v1", "connections", w.id), nil, &c)
	if err != nil {
		return false, w.unlessAway(ctx, err)
	}
	switch c.Status {
	case "removed", "paused":
		return false, fmt.Errorf("the connection is %s: %s does not go on", c.Status, w.what)
	case "unauthorized":
		return false, errors.New(strings.TrimSpace("Ashby refuses the key: " + c.StatusReason + " " + c.Action))
	}
	if w.isDone(c) {
		w.view.end()
		w.tellDone(c)
		w.done = answer.Raw
		return true, nil
	}
	w.troubleOf(c)
	at := answer.At
	if at.IsZero() {
		at = time.Now()
	}
	w.now = progressOf(c, at)
	return false, nil
}

// unlessAway leaves out errors that say that the gateway is away for a while, and tells of them.
func (w *syncWatch) unlessAway(ctx context.Context, err error) error {
	if exitCode(ctx, begunError{err}) != exitUnreached {
		return err
	}
	w.trouble("the gateway does not answer; waiting for it")
	return nil
}

// troubleOf tells what keeps the sync from being done.
func (w *syncWatch) troubleOf(c apiclient.Connection) {
	reason := c.StatusReason
	if c.Status == "active" {
		reason = ""
	}
	if reason == "" && !isRunning(c.Sync) {
		reason = c.Sync.LastError
	}
	w.trouble(clean(reason))
}

// trouble tells of something once, as long as it stays the same.
func (w *syncWatch) trouble(text string) {
	if text != "" && text != w.troubled {
		w.view.end()
		w.a.tell("%s", text)
	}
	w.troubled = text
}

func (w *syncWatch) tellDone(c apiclient.Connection) {
	read := cmp.Or(c.Sync.Total, c.Counts.AtAshby)
	w.a.tell("%s is done after %s: %d postings at Ashby, %d public jobs.",
		strings.ToUpper(w.what[:1])+w.what[1:], lasting(time.Since(w.began)), read, c.Counts.Public)
	complete := map[string]bool{}
	for _, m := range c.ModuleStates {
		complete[m.Module] = m.CompleteAt != nil
		if m.State == "paused" {
			w.a.tell("%s is paused: %s", m.Module, clean(m.Reason))
		}
	}
	var open []string
	for _, m := range c.Modules {
		if m != "jobs" && !complete[m] {
			open = append(open, m)
		}
	}
	if len(open) > 0 {
		w.a.tell("Still being read, a slice at a time: %s.", strings.Join(open, ", "))
	}
}

// progressView draws progress: a line that is redrawn in place, or a plain line now and then.
type progressView struct {
	out    io.Writer
	fine   bool
	colour bool
	width  func() int

	tick   int
	drawn  bool
	last   string
	lastAt time.Time
}

func (v *progressView) show(p progress, now time.Time) {
	if v.fine {
		_, _ = io.WriteString(v.out, "\r"+p.bar(v.width(), v.tick, v.colour)+"\x1b[K")
		v.tick++
		v.drawn = true
		return
	}
	// A new stage is told at once, numbers now and then.
	stage, text := p.stage(), p.text()
	if stage == v.last && now.Sub(v.lastAt) < lineEvery {
		return
	}
	if stage == v.last && p.total == 0 {
		return // nothing new
	}
	_, _ = fmt.Fprintln(v.out, text)
	v.last, v.lastAt = stage, now
}

// end leaves the terminal as it was, with the cursor at the beginning of an empty line.
func (v *progressView) end() {
	if v.drawn {
		_, _ = io.WriteString(v.out, "\r\x1b[K")
	}
	v.drawn = false
}
