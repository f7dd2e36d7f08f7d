package notifier

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// encode returns false for what is not to be published: a record that is not there any more, whose purge follows, and
// one whose id cannot be a part of a subject.
func (r *recordRelay) encode(ctx context.Context, o mirror.OutgoingRecord) (m bus.Msg, ok bool) {
	if o.Version == 0 {
		return bus.Msg{}, false
	}
	m, err := recordMessage(o, r.Now(), false)
	if err == nil && (!r.Bus.Fits(m) || r.tooLarge[m.ID]) {
		r.Logger.WarnContext(ctx, "record is too large for a message and is published without its object",
			"connection", o.Connection, "kind", o.Kind, "id", o.ID, "bytes", len(m.Data))
		r.metrics.records.bare.Inc()
		m, err = recordMessage(o, r.Now(), true)
	}
	if err != nil {
		r.Logger.ErrorContext(ctx, "record cannot be published", "connection", o.Connection, "kind", o.Kind, "error", err)
		r.metrics.records.refused.Inc()
		return bus.Msg{}, false
	}
	return m, true
}

// recordMessage makes the message of a record's present state, a bare one without its object.
func recordMessage(o mirror.OutgoingRecord, published time.Time, bare bool) (bus.Msg, error) {
	m, err := bus.RecordMsg(o.Connection, o.Kind, o.ID, o.Version)
	if err != nil {
		return bus.Msg{}, err
	}
	data := events.RecordData{
		Version: o.Version, Kind: o.Kind, ID: o.ID, Connection: o.Connection, Parent: o.Parent, UpdatedAt: o.UpdatedAt,
		ObservedAt: o.FetchedAt.UTC(), Record: o.Doc, Sealed: o.Doc == nil,
	}
	m.Type = events.RecordChanged
	if o.Gone {
		m.Type, data.ObservedAt = events.RecordGone, o.ChangedAt.UTC()
	}
	if bare && !data.Sealed {
		data.Record, data.TooLarge = nil, true
	}
	e := events.Event{
		SpecVersion:     events.SpecVersion,
		ID:              m.ID,
		Source:          "/connections/" + o.Connection,
		Type:            m.Type,
		Subject:         o.Kind + "/" + o.ID,
		Time:            published.UTC(),
		DataContentType: "application/json",
	}
	if e.Data, err = encoded(data); err == nil {
		m.Data, err = encoded(e)
	}
	if err != nil {
		return bus.Msg{}, fmt.Errorf("encoding record %s: %w", m.ID, err)
	}
	return m, nil
}

// encoded writes JSON without escaping HTML, which would only make it longer.
func encoded(v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}
