package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// acts are those that were written down while something was done.
func (b *bundle) acts(while func()) []mirror.AuditEntry {
	b.t.Helper()
	before := len(b.store.actsNow())
	while()
	return b.store.actsNow()[before:]
}

// isAct says which routes must leave a trace, told apart from the code.
func isAct(r route) bool { return strings.HasPrefix(r.path, "/v1/") && r.method != http.MethodGet }

// Whatever is sent, and wherever in the request a secret was put by mistake.
func TestEachActIsWrittenDownOnceAndTellsNoSecret(t *testing.T) {
	t.Parallel()
	b := setup(t, allowAll)
	const canary = "canary-0123456789abcdef0123456789abcdef-secret"
	body := map[string]any{"api_key": canary, "note": canary, "name": canary, "url": canary, "secret": canary, canary: canary}
	acts := 0
	for _, r := range b.routes() {
		if !isAct(r) {
			continue
		}
		path := strings.NewReplacer(":id", canary).Replace(r.path) + "?" + canary + "=" + canary
		var answer answer
		told := b.acts(func() {
			answer = b.call(request{method: r.method, path: path, body: body, header: map[string]string{"X-Api-Key": canary}})
		})
		acts++
		if len(told) != 1 {
			t.Errorf("%s: %d entries", r.label(), len(told))
			continue
		}
		e := told[0]
		want := mirror.ActRefused
		if answer.status < 400 {
			want = mirror.ActDone
		}
		if e.Outcome != want || e.Status == nil || *e.Status != answer.status || e.Action == "" || e.Role != mirror.RoleAdmin ||
			e.Actor != environmentCaller.actor || e.RequestID != answer.header.Get("X-Request-Id") || e.Remote != "127.0.0.1" {
			t.Errorf("%s answered %d: %+v", r.label(), answer.status, e)
		}
		if text := fmt.Sprintf("%+v", e); strings.Contains(text, canary) {
			t.Errorf("%s: a secret is written down: %s", r.label(), text)
		}
	}
	if acts < 25 {
		t.Errorf("%d routes looked at", acts)
	}
	// No two routes have the same name, so that the log tells what was done.
	named := map[string]string{}
	for _, r := range b.routes() {
		if other := named[r.action]; r.access.needsToken() == (r.action == "") || r.action != "" && other != "" {
			t.Errorf("%s is called %q, as is %q", r.label(), r.action, other)
		}
		if r.action != "" && !actionFilter.MatchString(r.action) {
			t.Errorf("%s cannot be filtered for", r.action)
		}
		named[r.action] = r.label()
	}
}

func TestWhatCannotBeWrittenDownIsNotDone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	calls := b.prober.calls
	b.store.change(func() { b.store.mute = errBoom })
	for _, r := range b.routes() {
		if isAct(r) {
			b.call(request{
				method: r.method, path: strings.ReplaceAll(r.path, ":id", e.ID) + "?jobs=close", body: registrationBody(nil),
			}).problem(t, 503, "unavailable")
		}
	}
	if b.prober.calls != calls || len(b.store.conns) != 1 || b.store.conns[e.ID].Status != mirror.StatusActive || len(b.store.due) != 0 {
		t.Error("something was done")
	}
	if a := b.call(request{method: "GET", path: "/v1/connections"}); a.status != http.StatusOK {
		t.Errorf("a look: %d", a.status)
	}
	if !strings.Contains(b.logs.String(), "the act was not done: boom") {
		t.Error("the log does not say why")
	}
}

func TestActsTellWhatWasDoneToWhat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	key := goodKey + "-acme"
	var e employer
	var feed feedJSON
	var made tokenJSON
	patch := func(body map[string]any) func() {
		return func() { b.call(request{method: "PATCH", path: "/v1/connections/" + e.ID, body: body}) }
	}
	post := func(path string) func() { return func() { b.call(request{method: "POST", path: path}) } }
	for _, c := range []struct {
		do                         func()
		action, target, connection *string
		outcome                    string
		fields                     []string
	}{
		{func() { e = b.connect("acme") }, ptr("connection.create"), &e.ID, &e.ID, "done 201", []string{"api_key", "employer_name", "employer_ref"}},
		{patch(map[string]any{"employer_name": "B"}), ptr("connection.update"), &e.ID, &e.ID, "done 200", []string{"employer_name"}},
		{patch(map[string]any{"api_key": key, "paused": false}), ptr("connection.rotate_key"), &e.ID, &e.ID, "done 200", []string{"api_key", "paused"}},
		{patch(map[string]any{"rotate_webhook_secret": true}), ptr("connection.rotate_webhook_secret"), &e.ID, &e.ID, "done 200", []string{"rotate_webhook_secret"}},
		{patch(map[string]any{"paused": true}), ptr("connection.pause"), &e.ID, &e.ID, "done 200", []string{"paused"}},
		{patch(map[string]any{"paused": false}), ptr("connection.resume"), &e.ID, &e.ID, "done 200", []string{"paused"}},
		{patch(map[string]any{"api_key": "wrong"}), ptr("connection.rotate_key"), &e.ID, &e.ID, "refused 422", []string{"api_key"}},
		{patch(map[string]any{"nothing": "known"}), ptr("connection.update"), &e.ID, &e.ID, "refused 400", nil},
		{func() { feed = b.makeFeed() }, ptr("feed.create"), &feed.ID, ptr(""), "done 201", []string{"employers", "name"}},
		{func() { made = b.token(mirror.RoleOperator) }, ptr("token.create"), &made.ID, ptr(""), "done 201", []string{"name", "role"}},
		{post("/v1/connections/" + "0"), nil, nil, nil, "", nil},
		{post("/v1/connections/00000000-0000-7000-8000-000000000000/sync"), ptr("connection.sync"), ptr("00000000-0000-7000-8000-000000000000"), ptr("00000000-0000-7000-8000-000000000000"), "refused 404", nil},
	} {
		told := b.acts(c.do)
		if c.action == nil {
			if len(told) != 0 {
				t.Errorf("a path that there is not: %+v", told)
			}
			continue
		}
		if len(told) != 1 {
			t.Errorf("%s: %d entries", *c.action, len(told))
			continue
		}
		got := told[0]
		var fields []string
		if named, _ := got.Detail["fields"].([]any); named != nil {
			for _, f := range named {
				fields = append(fields, fmt.Sprint(f))
			}
		}
		if got.Action != *c.action || got.Target != *c.target || got.Connection != *c.connection ||
			fmt.Sprint(got.Outcome, " ", *got.Status) != c.outcome || !slices.Equal(fields, c.fields) {
			t.Errorf("%s: %+v with status %d", *c.action, got, *got.Status)
		}
	}
}

// The values are those that were checked, and are told of what was refused too; a note only of what was decided.
func TestActsTellTheValuesThatMatter(t *testing.T) {
	t.Parallel()
	b := setup(t, allowAll)
	e := b.connect("acme")
	board := b.subscribe(map[string]any{"name": "x"})
	endpoint := b.endpoint(map[string]any{"url": "https://board.example.com/hook"})
	b.store.held = []mirror.HeldView{hold("h1", e.ID, mirror.HoldOpen, b.clock.now()), hold("h2", e.ID, mirror.HoldEnded, b.clock.now())}
	long := strings.Repeat("é", 600)
	for _, c := range []struct {
		method, path, body, want string
	}{
		{
			"POST", "/v1/connections/check", `{"api_key":"` + goodKey + `","modules":["candidates"]}`,
			`{"fields":["api_key","modules"],"modules":["candidates","jobs"]}`,
		},
		{
			"PATCH", "/v1/connections/" + e.ID, `{"paused":true,"poll_interval":"PT30M","modules":["jobs"],"employer_name":"canary"}`,
			`{"fields":["employer_name","modules","paused","poll_interval"],"modules":["jobs"],"paused":true,"poll_interval":"30m0s"}`,
		},
		{"PATCH", "/v1/connections/" + e.ID, `{"paused":false}`, `{"fields":["paused"],"paused":false}`},
		{"PATCH", "/v1/connections/" + e.ID, `{"modules":["jobs","canary"]}`, `{"fields":["modules"]}`},
		{"PATCH", "/v1/connections/" + e.ID, `{"poll_interval":"canary"}`, `{"fields":["poll_interval"]}`},
		{
			"POST", "/v1/tokens", `{"name":"canary","role":"connect-only","expires_at":"2027-11-23T11:00:00+01:00"}`,
			`{"expires_at":"2027-11-23T10:00:00Z","fields":["expires_at","name","role"],"role":"connect-only"}`,
		},
		{"POST", "/v1/tokens", `{"name":"canary","role":"connect-only"}`, `{"fields":["name","role"],"role":"connect-only"}`},
		{"POST", "/v1/tokens", `{"name":"x","role":"canary"}`, `{"fields":["name","role"]}`},
		{"POST", "/v1/holds/h1/reject", `{"note":" We ask <them> & wait. "}`, `{"fields":["note"],"note":"We ask <them> & wait."}`},
		{"POST", "/v1/holds/h1/approve", `{"note":"` + long + `"}`, `{"fields":["note"],"note":"` + long[:2*499] + `…"}`},
		{"POST", "/v1/holds/h1/approve", ``, `{}`},
		{"POST", "/v1/holds/h2/approve", `{"note":"canary"}`, `{"fields":["note"]}`},
		{"POST", "/v1/subscribers/" + board.ID + "/replay", `{"snapshot":true}`, `{"fields":["snapshot"],"replay":"snapshot"}`},
		{"POST", "/v1/subscribers/" + board.ID + "/replay", `{"since":"2026-11-23T09:00:00Z"}`, `{"fields":["since"],"replay":"since"}`},
		{"POST", "/v1/subscribers/" + board.ID + "/replay", `{"job":{"connection":"c","posting":"canary","version":1}}`, `{"fields":["job"],"replay":"job"}`},
		{"POST", "/v1/subscribers/" + board.ID + "/replay", `{"since":"canary"}`, `{"fields":["since"]}`},
		{"POST", "/v1/endpoints/" + endpoint.ID + "/replay", `{"failed":true}`, `{"fields":["failed"],"replay":"failed"}`},
		{"POST", "/v1/endpoints/" + endpoint.ID + "/replay", `{"snapshot":true}`, `{"fields":["snapshot"],"replay":"snapshot"}`},
		{"POST", "/v1/endpoints/" + endpoint.ID + "/replay", `{"since":"2026-11-23T09:00:00Z"}`, `{"fields":["since"],"replay":"since"}`},
		{"DELETE", "/v1/connections/" + e.ID + "?jobs=canary", ``, `{}`},
		{"DELETE", "/v1/connections/" + e.ID + "?jobs=keep", ``, `{"jobs":"keep"}`},
	} {
		told := b.acts(func() { b.call(request{method: c.method, path: c.path, body: []byte(c.body)}) })
		if len(told) != 1 {
			t.Fatalf("%s %s: %d entries", c.method, c.path, len(told))
		}
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(told[0].Detail); err != nil || strings.TrimSpace(text.String()) != c.want {
			t.Errorf("%s %s %s: %s, want %s", c.method, c.path, c.body, text.String(), c.want)
		}
	}
	var page auditJSON
	b.call(request{method: "GET", path: "/v1/audit?action=connection.create"}).into(t, &page)
	if d := fmt.Sprint(page.Entries[0].Detail); !strings.Contains(d, "modules:[jobs] poll_interval:1h0m0s") {
		t.Errorf("shown as %s", d)
	}
}

func ptr(s string) *string { return &s }

func TestLooksAtPersonalRecordsAreActs(t *testing.T) {
	t.Parallel()
	b := setup(t, allowAll)
	e := b.connect("acme")
	b.withModules(e.ID, "jobs", "candidates")
	b.putRecord(e.ID, "candidate", "c1", `{}`, recordStart)
	for _, row := range ashby.Catalogue() {
		for _, one := range []string{"", "/c1"} {
			told := b.acts(func() {
				b.call(request{method: "GET", path: "/v1/records/" + string(row.Kind) + one + "?connection=" + e.ID})
			})
			want := 0
			if row.Personal || !slices.Contains(row.Modules, "jobs") {
				want = 1
			}
			if len(told) != want || want == 1 && (told[0].Detail["kind"] != string(row.Kind) || told[0].Connection != e.ID) {
				t.Errorf("%s%s: %+v", row.Kind, one, told)
			}
		}
	}
	// Told even where nobody may know, and only then.
	b.store.change(func() { b.store.mute = mirror.ErrUnavailable })
	b.call(request{method: "GET", path: "/v1/records/candidate/c1?connection=" + e.ID}).problem(t, 503, "unavailable")
	b.call(request{method: "GET", path: "/v1/records/location/l1?connection=" + e.ID}).problem(t, 404, "not-found")
}

func TestActsThatFailAreWrittenDownToo(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Probe = panickingProber{} })
	check := func() {
		b.call(request{method: "POST", path: "/v1/connections/check", body: map[string]any{"api_key": goodKey}}).problem(t, 500, "internal")
	}
	if told := b.acts(check); len(told) != 1 || told[0].Outcome != mirror.ActFailed || *told[0].Status != 500 {
		t.Errorf("%+v", told)
	}
	// The store goes away in the middle of the act: its end is in the log alone.
	b = setup(t)
	e := b.connect("acme")
	b.store.change(func() { b.store.onDue = func() { b.store.mute = errBoom } })
	told := b.acts(func() { b.call(request{method: "POST", path: "/v1/connections/" + e.ID + "/sync"}) })
	if len(told) != 1 || told[0].Outcome != mirror.ActStarted || told[0].Status != nil {
		t.Errorf("%+v", told)
	}
	if !strings.Contains(b.logs.String(), "the end of an act was not written down") {
		t.Error("the log says nothing")
	}
	var page auditJSON
	b.call(request{method: "GET", path: "/v1/audit?limit=1"}).into(t, &page)
	if got := page.Entries[0]; got.Outcome != mirror.ActStarted || got.Status != nil || got.FinishedAt != nil {
		t.Errorf("shown as %+v", got)
	}
}

type panickingProber struct{}

func (panickingProber) Probe(context.Context, ashby.Secret, []string) (mirror.Report, []string, error) {
	panic("ouch")
}

func TestAuditLogIsShownPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	b.clock.add(time.Minute)
	ops := b.token(mirror.RoleOperator)
	b.clock.add(time.Minute)
	a := b.call(request{
		method: "POST", path: "/v1/connections/" + e.ID + "/sync", header: map[string]string{"Authorization": "Bearer " + ops.Token},
	})
	list := func(query string) auditJSON {
		t.Helper()
		var page auditJSON
		b.call(request{method: "GET", path: "/v1/audit" + query}).into(t, &page)
		return page
	}
	first := list("?limit=2")
	second := list("?limit=2&cursor=" + *first.NextCursor)
	if len(first.Entries) != 2 || len(second.Entries) != 1 || second.NextCursor != nil || second.Entries[0].Action != "connection.create" {
		t.Errorf("%+v %+v", first, second)
	}
	status := http.StatusAccepted
	now := b.clock.now()
	want := auditEntryJSON{
		ID: "3", At: now, Actor: actorJSON{mirror.ActorToken, ops.ID, "a operator"}, Role: mirror.RoleOperator,
		Action: "connection.sync", Target: e.ID, Connection: e.ID, Outcome: mirror.ActDone, Status: &status, FinishedAt: &now,
		RequestID: a.header.Get("X-Request-Id"), Remote: "127.0.0.1", Detail: map[string]any{},
	}
	if got := first.Entries[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for query, want := range map[string]string{
		"?actor=environment": "2 1", "?actor=" + url.QueryEscape("a operator"): "3", "?action=connection": "3 1",
		"?action=token.create": "2", "?connection=" + e.ID: "3 1", "?since=2026-11-23T10:01:00Z": "3 2",
		"?until=2026-11-23T10:01:00Z": "1",
	} {
		var ids []string
		for _, e := range list(query).Entries {
			ids = append(ids, e.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for _, query := range []string{"since=yesterday", "until=x", "actor=%00", "action=Connection", "connection=a.b", "cursor=x", "limit=201", "role=admin"} {
		p := b.call(request{method: "GET", path: "/v1/audit?" + query}).problem(t, 400, "invalid-request")
		if field, _, _ := strings.Cut(query, "="); len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
}

func TestConnectionActsAreCalledByWhatMattersMost(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`: "connection.update", `not json`: "connection.update", `{"api_key": 7}`: "connection.update", `{"paused": null}`: "connection.update",
		`{"rotate_webhook_secret": false}`: "connection.update", `{"paused": false}`: "connection.resume",
		`{"paused": true, "api_key": "k", "rotate_webhook_secret": true}`: "connection.rotate_key",
	} {
		if got := connectionAct(json.RawMessage(body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
