package events

import (
	"encoding/json"
	"time"
)

// The types that are sent to webhook endpoints alone, and stand on no stream.
const (
	// EndpointTest is sent when somebody asks for a test.
	EndpointTest Type = "endpoint.test"
	// EndpointPaused is tried once when an endpoint is paused because it took nothing for days.
	EndpointPaused Type = "endpoint.paused"
)

// EndpointData is the data of EndpointTest and EndpointPaused.
type EndpointData struct {
	// Endpoint is the endpoint's id.
	Endpoint string `json:"endpoint"`
	// Reason says in a sentence why.
	Reason string `json:"reason"`
}

// EndpointEvent is the envelope of an event of an endpoint.
func EndpointEvent(typ Type, id, endpoint string, at time.Time, data json.RawMessage) Event {
	return Event{
		SpecVersion: SpecVersion, ID: id, Source: "/endpoints/" + endpoint, Type: typ, Subject: endpoint,
		Time: at.UTC().Truncate(time.Microsecond), DataContentType: "application/json", Data: data,
	}
}
