package notifier

import (
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// maxBatchBytes bounds a batch, so that it passes well within the time a publish may take.
const maxBatchBytes = 16 << 20

// message makes the event's message. Where that cannot be, it still has a subject.
func message(o mirror.Outgoing, published time.Time) (bus.Msg, events.Event, error) {
	e := o.Envelope(published)
	body, err := mirror.EncodeEvent(e)
	return bus.Msg{Subject: o.Subject(), ID: o.EventID, Version: o.Version, Type: o.Type, Data: body}, e, err
}

// batch collects messages for one atomic publish.
type batch struct {
	rows       []mirror.Outgoing
	events     []events.Event
	heads      []head
	msgs       []bus.Msg
	bytes      int
	perSubject map[string]int
	limit      int
}

func newBatch(limit int) *batch {
	return &batch{perSubject: map[string]int{}, limit: limit}
}

// crowds says whether of some subject both batches together hold more than the stream keeps.
func (b *batch) crowds(other *batch) bool {
	for subject, n := range b.perSubject {
		if n+other.perSubject[subject] > bus.KeptPerSubject {
			return true
		}
	}
	return false
}

// add returns false if the batch is to be published first. Of one subject it takes no more than the stream keeps, so
// that after a crash all of the last batch can be seen in the stream.
func (b *batch) add(o outgoing) bool {
	m := o.message
	full := len(b.msgs) >= b.limit || b.perSubject[m.Subject] >= bus.KeptPerSubject ||
		(len(b.msgs) > 0 && b.bytes+len(m.Data) > maxBatchBytes)
	if full {
		return false
	}
	b.rows, b.events, b.msgs = append(b.rows, o.Outgoing), append(b.events, o.event), append(b.msgs, m)
	b.heads = append(b.heads, o.head)
	b.bytes += len(m.Data)
	b.perSubject[m.Subject]++
	return true
}

// placed tells where the batch's events lie once it was taken after sequence expected.
func (b *batch) placed(expected uint64) []mirror.Published {
	ps := make([]mirror.Published, len(b.rows))
	for i, o := range b.rows {
		ps[i] = mirror.Published{Outgoing: o, Seq: expected + 1 + uint64(i), At: b.events[i].Time}
	}
	return ps
}
