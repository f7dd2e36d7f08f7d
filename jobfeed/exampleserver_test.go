package jobfeed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// exampleServer runs NATS with the stream and a few events. What fails shows in the example's output.
func exampleServer() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "jobfeed-example-")
	if err != nil {
		panic(err)
	}
	server, err := local.StartNATS(local.NATSOptions{Dir: filepath.Join(dir, "nats"), Addr: "127.0.0.1:0"})
	if err != nil {
		panic(err)
	}
	b, err := bus.Connect(context.Background(), bus.Options{URL: server.URL()})
	if err != nil {
		panic(err)
	}
	defer b.Close()
	if err := b.WaitReady(context.Background()); err != nil {
		panic(err)
	}
	var msgs []bus.Msg
	for i, e := range []struct {
		posting string
		version int64
		typ     events.Type
		title   string
	}{
		{"p1", 1, events.JobPublished, "Baker"},
		{"p2", 1, events.JobPublished, "Pilot"},
		{"p3", 1, events.JobPublished, "Diver"},
		{"p2", 2, events.JobUpdated, "Senior Pilot"},
		{"p3", 2, events.JobClosed, "Diver"},
	} {
		data, _ := json.Marshal(events.JobData{Version: e.version, Job: events.Job{ID: e.posting, Title: e.title, JSONLD: []byte("{}")}})
		id := fmt.Sprint("id", i)
		body, _ := json.Marshal(events.Event{ID: id, Type: e.typ, Subject: e.posting, Data: data})
		msgs = append(msgs, bus.Msg{Subject: events.JobSubject("acme", e.posting), ID: id, Version: e.version, Type: e.typ, Data: body})
	}
	if _, err := b.PublishBatch(context.Background(), msgs, 0); err != nil {
		panic(err)
	}
	return server.URL(), func() {
		if err := server.Stop(); err != nil {
			panic(err)
		}
		_ = os.RemoveAll(dir)
	}
}
