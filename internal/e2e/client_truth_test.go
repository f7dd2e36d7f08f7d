package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// moduleDoc is a module of a connection's document.
type moduleDoc struct {
	Module     string     `json:"module"`
	State      string     `json:"state"`
	Reason     string     `json:"reason"`
	CompleteAt *time.Time `json:"complete_at"`
}

// module is a module's state, zero while it has none.
func (d connectionDoc) module(name string) moduleDoc {
	i := slices.IndexFunc(d.ModuleStates, func(m moduleDoc) bool { return m.Module == name })
	if i < 0 {
		return moduleDoc{}
	}
	return d.ModuleStates[i]
}

// hookTypeDoc is an event type under webhook_setup.
type hookTypeDoc struct {
	EventType string   `json:"event_type"`
	State     string   `json:"state"`
	ByWebhook int64    `json:"by_webhook"`
	ByPoll    int64    `json:"by_poll"`
	Coverage  *float64 `json:"coverage"`
	SettingID string   `json:"setting_id"`
	WhatToDo  string   `json:"what_to_do"`
}

func (d connectionDoc) hookType(eventType string) hookTypeDoc {
	i := slices.IndexFunc(d.WebhookSetup.Types, func(t hookTypeDoc) bool { return t.EventType == eventType })
	if i < 0 {
		return hookTypeDoc{}
	}
	return d.WebhookSetup.Types[i]
}

// recordDoc is an item of GET /v1/records/{kind}.
type recordDoc struct {
	Kind    string          `json:"kind"`
	ID      string          `json:"id"`
	Parent  string          `json:"parent"`
	Version int64           `json:"version"`
	Gone    bool            `json:"gone"`
	Record  json.RawMessage `json:"record"`
	Error   string          `json:"error"`
}

// records pages through the records of a kind.
func (a *api) records(connection, kind string) map[string]recordDoc {
	a.t.Helper()
	out := map[string]recordDoc{}
	for _, raw := range a.pages("/v1/records/"+kind+"?limit=200&connection="+url.QueryEscape(connection), "records") {
		for _, r := range decoded[[]recordDoc](a, raw) {
			if _, twice := out[r.ID]; twice {
				a.t.Errorf("%s %s is listed twice", kind, r.ID)
			}
			out[r.ID] = r
		}
	}
	return out
}

// pages follows next_cursor and returns the member of each page.
func (a *api) pages(path, member string) (out []json.RawMessage) {
	a.t.Helper()
	cursor := ""
	for {
		var page map[string]json.RawMessage
		a.must(http.StatusOK, http.MethodGet, path+cursor, nil).decode(a.t, &page)
		out = append(out, page[member])
		next := decoded[*string](a, page["next_cursor"])
		if next == nil {
			return out
		}
		cursor = "&cursor=" + url.QueryEscape(*next)
	}
}

// decoded decodes a part of an answer; one that is not there is the zero value.
func decoded[T any](a *api, raw json.RawMessage) (v T) {
	a.t.Helper()
	if len(raw) > 0 {
		reply{Body: raw}.decode(a.t, &v)
	}
	return v
}

// holdDoc is an item of GET /v1/holds.
type holdDoc struct {
	ID          string    `json:"id"`
	Connection  string    `json:"connection"`
	State       string    `json:"state"`
	Outcome     string    `json:"outcome"`
	Note        string    `json:"note"`
	PublicCount int       `json:"public_count"`
	Postings    []heldDoc `json:"postings"`
}

type heldDoc struct {
	ID    string  `json:"id"`
	Title *string `json:"title"`
}

func (a *api) holds(connection string, ended bool) []holdDoc {
	a.t.Helper()
	raw := a.pages(fmt.Sprintf("/v1/holds?connection=%s&ended=%t", connection, ended), "holds")
	return decoded[[]holdDoc](a, raw[0])
}

// versionDoc is an item of GET /v1/jobs/{id}/history.
type versionDoc struct {
	Version int64                `json:"version"`
	EventID string               `json:"event_id"`
	Type    string               `json:"type"`
	Origin  string               `json:"origin"`
	Reason  *string              `json:"reason"`
	Changes []mirror.FieldChange `json:"changes"`
}

// history lists the versions of a job, newest first.
func (a *api) history(connection, posting string) (all []versionDoc) {
	a.t.Helper()
	for _, raw := range a.pages("/v1/jobs/"+posting+"/history?limit=2&connection="+connection, "history") {
		all = append(all, decoded[[]versionDoc](a, raw)...)
	}
	return all
}

// runDoc is an item of GET /v1/connections/{id}/runs.
type runDoc struct {
	Trigger    string   `json:"trigger"`
	Task       string   `json:"task"`
	Object     string   `json:"object"`
	Outcome    string   `json:"outcome"`
	Reason     string   `json:"reason"`
	Requests   int      `json:"requests"`
	Rows       int      `json:"rows"`
	Changed    int      `json:"changed"`
	Events     int      `json:"events"`
	RequestIDs []string `json:"request_ids"`
}

func (a *api) runs(connection, query string) (all []runDoc) {
	a.t.Helper()
	for _, raw := range a.pages("/v1/connections/"+connection+"/runs?limit=200"+query, "runs") {
		all = append(all, decoded[[]runDoc](a, raw)...)
	}
	return all
}

// quarantineDoc is an item of GET /v1/connections/{id}/quarantine.
type quarantineDoc struct {
	Kind   string            `json:"kind"`
	ID     string            `json:"id"`
	Reason string            `json:"reason"`
	Shape  map[string]string `json:"shape"`
	Times  int               `json:"times"`
}

func (a *api) quarantine(connection string) []quarantineDoc {
	a.t.Helper()
	return decoded[[]quarantineDoc](a, a.pages("/v1/connections/"+connection+"/quarantine?", "quarantine")[0])
}
