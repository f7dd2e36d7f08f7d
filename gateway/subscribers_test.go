package gateway

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// subscribe makes a board.
func (b *bundle) subscribe(body map[string]any) subscriberJSON {
	b.t.Helper()
	a := b.call(request{method: "POST", path: "/v1/subscribers", body: body})
	if a.status != http.StatusCreated {
		b.t.Fatalf("%d %s", a.status, a.body)
	}
	var s subscriberJSON
	a.into(b.t, &s)
	return s
}

// change calls a subscriber's path and expects a 200.
func (b *bundle) change(method, path string, body any) subscriberJSON {
	b.t.Helper()
	a := b.call(request{method: method, path: "/v1/subscribers/" + path, body: body})
	if a.status != http.StatusOK {
		b.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	var s subscriberJSON
	a.into(b.t, &s)
	return s
}

// row is what is stored, and the consumer of its present user.
func (b *bundle) row(id string) (row mirror.Subscriber, consumer *mirror.Subscriber) {
	b.boards.mu.Lock()
	defer b.boards.mu.Unlock()
	row = b.boards.rows[id]
	if c, ok := b.boards.consumers[row.User()]; ok {
		consumer = &c
	}
	return row, consumer
}

var errNATSDown = errors.New("NATS is away")

func TestASubscriberGetsWhatAClientNeeds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.call(request{method: "POST", path: "/v1/subscribers", body: map[string]any{
		"name": " Example Jobs ", "employers": []string{"beta", "acme", "beta"},
	}})
	var s subscriberJSON
	a.into(t, &s)
	if a.status != http.StatusCreated || a.header.Get("Location") != "/v1/subscribers/"+s.ID ||
		a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if s.Name != "Example Jobs" || s.Status != subscriberActive || !slices.Equal(s.Employers, []string{"acme", "beta"}) ||
		s.URL != natsURL || s.User != s.ID+"-1" || s.Consumer != s.User || s.Stream != "JOBS" ||
		s.InboxPrefix != "_INBOX_"+s.User || s.Generation != 1 || s.Replay != 1 || !strings.HasPrefix(s.Password, "ash_sub_") {
		t.Errorf("%s", a.body)
	}
	row, consumer := b.row(s.ID)
	sum := sha256.Sum256([]byte(s.Password))
	if !slices.Equal(b.boards.hashes[s.ID], sum[:]) || consumer == nil || consumer.Start.Kind != mirror.StartSnapshot ||
		row.MadeAt == nil {
		t.Errorf("stored %+v, made %+v", row, consumer)
	}
	all := b.subscribe(map[string]any{"name": "All", "employers": nil})
	if all.Employers != nil || all.ID == s.ID || all.Password == s.Password {
		t.Errorf("%+v", all)
	}
	if shown := b.change("GET", s.ID, nil); shown.Password != "" {
		t.Error("the password is shown again")
	}
	for _, secret := range []string{s.Password, all.Password, issuer} {
		if strings.Contains(b.logs.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

func TestFaultySubscriptionsAreNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	many := make([]string, mostSubscribed+1)
	for i := range many {
		many[i] = fmt.Sprint("c", i)
	}
	for name, c := range map[string]struct {
		body  string
		field string
	}{
		"no name":           {`{}`, "name"},
		"an empty name":     {`{"name":" "}`, "name"},
		"a long name":       {`{"name":"` + strings.Repeat("x", 101) + `"}`, "name"},
		"a control in it":   {`{"name":"a\u0000b"}`, "name"},
		"no list":           {`{"name":"x","employers":"acme"}`, "employers"},
		"an empty list":     {`{"name":"x","employers":[]}`, "employers"},
		"a number in it":    {`{"name":"x","employers":[1]}`, "employers"},
		"a wildcard":        {`{"name":"x","employers":["*"]}`, "employers"},
		"a part of subject": {`{"name":"x","employers":["a.b"]}`, "employers"},
		"too many":          {`{"name":"x","employers":["` + strings.Join(many, `","`) + `"]}`, "employers"},
		"another field":     {`{"name":"x","filter":null}`, "filter"},
	} {
		p := b.call(request{method: "POST", path: "/v1/subscribers", body: []byte(c.body)}).problem(t, 400, "invalid-request")
		if len(p.Errors) != 1 || p.Errors[0].Field != c.field {
			t.Errorf("%s: %+v", name, p.Errors)
		}
	}
	p := b.call(request{method: "POST", path: "/v1/subscribers", body: map[string]any{
		"name": "x", "employers": []string{"zeta", "acme"},
	}}).problem(t, 422, "unknown-employers")
	if !slices.Equal(p.Connections, []string{"zeta"}) {
		t.Errorf("%+v", p)
	}
	if len(b.boards.rows) != 0 {
		t.Error("something was stored")
	}
	s := b.subscribe(map[string]any{"name": "x"})
	for _, body := range []string{`{}`, `{"name":""}`, `{"employers":[]}`, `{"employers":{}}`} {
		b.call(request{method: "PATCH", path: "/v1/subscribers/" + s.ID, body: []byte(body)}).problem(t, 400, "invalid-request")
	}
	b.call(request{method: "PATCH", path: "/v1/subscribers/" + s.ID, body: []byte(`{"employers":["zeta"]}`)}).
		problem(t, 422, "unknown-employers")
	b.call(request{method: "GET", path: "/v1/subscribers/never"}).problem(t, 404, "not-found")
	b.call(request{method: "GET", path: "/v1/subscribers/%2A"}).problem(t, 404, "not-found")
	b.call(request{method: "GET", path: "/v1/subscribers?limit=0"}).problem(t, 400, "invalid-request")
}

func TestWithoutAnIssuerTheAnswerSaysWhatToSet(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.NATSIssuer = "" })
	for _, r := range b.routes() {
		if strings.HasPrefix(r.path, "/v1/subscribers") {
			p := b.call(request{method: r.method, path: strings.ReplaceAll(r.path, ":id", "x")}).problem(t, 409, "no-issuer")
			if !strings.Contains(p.Detail, "ASHBRIDGE_NATS_ISSUER_FILE") {
				t.Errorf("%s", p.Detail)
			}
		}
	}
	if b.boards.admit != nil {
		t.Error("logins are answered")
	}
}

// The row is what counts: without NATS the board gets its password, and the consumer follows.
func TestChangesOutliveAnOutageOfNATS(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.boards.set(func() { b.boards.natsDown = errNATSDown })
	s := b.subscribe(map[string]any{"name": "x", "employers": []string{"acme"}})
	if s.Status != subscriberPending || s.Note == "" || s.Password == "" {
		t.Errorf("%+v", s)
	}
	if shown := b.change("GET", s.ID, nil); shown.Status != subscriberPending || shown.Lag != nil || shown.LagNote != noteNoLag {
		t.Errorf("%+v", shown)
	}
	if rotated := b.change("POST", s.ID+"/rotate", nil); rotated.Status != subscriberPending || rotated.Password == "" {
		t.Errorf("%+v", rotated)
	}
	if patched := b.change("PATCH", s.ID, []byte(`{"employers":null}`)); patched.Replay != 2 || patched.Employers != nil {
		t.Errorf("%+v", patched)
	}
	b.boards.set(func() { b.boards.natsDown = nil })
	if shown := b.change("GET", s.ID, nil); shown.LagNote != noteNoQueue {
		t.Errorf("%+v", shown)
	}
	if patched := b.change("PATCH", s.ID, []byte(`{"name":"y"}`)); patched.Status != subscriberActive || patched.Name != "y" {
		t.Errorf("%+v", patched)
	}
	b.boards.set(func() { b.boards.natsDown = errNATSDown })
	if revoked := b.change("DELETE", s.ID, nil); revoked.Status != subscriberRevoked || revoked.Note != noteRevoked {
		t.Errorf("%+v", revoked)
	}
}

func TestSubscribersAreListedWithTheirLag(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := b.clock.now()
	b.boards.lag = mirror.Lag{Pending: 7, Unacknowledged: 3, Redelivered: 1, Waiting: 2, OldestAt: &at, DeliveredAt: &at}
	var ids []string
	for i := range 3 {
		ids = append(ids, b.subscribe(map[string]any{"name": fmt.Sprint("board ", i)}).ID)
	}
	gone := b.subscribe(map[string]any{"name": "gone"})
	b.change("DELETE", gone.ID, nil)
	var got []string
	path := "/v1/subscribers?limit=2"
	for path != "" {
		var page subscribersJSON
		b.call(request{method: "GET", path: path}).into(t, &page)
		path = ""
		for _, s := range page.Subscribers {
			got = append(got, s.ID)
			if l := s.Lag; l == nil || l.Pending != 7 || l.Unacknowledged != 3 || l.Redelivered != 1 || !l.Asking ||
				l.OldestAt == nil || l.DeliveredAt == nil || l.AcknowledgedAt != nil || s.Password != "" {
				t.Errorf("%+v with %+v", s, l)
			}
		}
		if page.NextCursor != nil {
			path = "/v1/subscribers?limit=2&cursor=" + *page.NextCursor
		}
	}
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("listed %q, want %q", got, ids)
	}
	b.boards.set(func() { b.boards.natsDown = errNATSDown })
	var page subscribersJSON
	if a := b.call(request{method: "GET", path: "/v1/subscribers"}); a.status != http.StatusOK {
		t.Errorf("without NATS: %d %s", a.status, a.body)
	} else if a.into(t, &page); len(page.Subscribers) != 3 || page.Subscribers[0].Lag != nil || page.Subscribers[0].LagNote == "" {
		t.Errorf("without NATS: %s", a.body)
	}
	b.boards.set(func() { b.boards.storeDown = mirror.ErrUnavailable })
	b.call(request{method: "GET", path: "/v1/subscribers"}).problem(t, 503, "unavailable")
}

func TestOtherEmployersBeginAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.subscribe(map[string]any{"name": "x", "employers": []string{"acme"}})
	same := b.change("PATCH", s.ID, []byte(`{"employers":["acme"],"name":"y"}`))
	other := b.change("PATCH", s.ID, []byte(`{"employers":["acme","beta"]}`))
	if same.Replay != 1 || same.Name != "y" || other.Replay != 2 || other.Status != subscriberActive || other.User != s.User {
		t.Errorf("%+v, %+v", same, other)
	}
	if _, consumer := b.row(s.ID); consumer == nil || consumer.Replay != 2 || consumer.Start.Kind != mirror.StartSnapshot {
		t.Errorf("%+v", consumer)
	}
}

func TestARotatedSubscriberGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.subscribe(map[string]any{"name": "x"})
	r := b.change("POST", s.ID+"/rotate", nil)
	if r.User != s.ID+"-2" || r.Password == "" || r.Password == s.Password || r.Replay != 1 || r.RotatedAt == nil ||
		r.InboxPrefix != "_INBOX_"+r.User {
		t.Errorf("%+v", r)
	}
	if _, consumer := b.row(s.ID); consumer == nil || consumer.Start.Kind != mirror.StartPrevious {
		t.Errorf("%+v", consumer)
	}
	// Where the old consumer is lost, the new one begins with a snapshot. Nobody asked for a replay.
	b.boards.set(func() { clear(b.boards.consumers) })
	if r = b.change("POST", s.ID+"/rotate", nil); r.Replay != 1 || r.Generation != 3 || r.Status != subscriberActive {
		t.Errorf("%+v", r)
	}
	if _, consumer := b.row(s.ID); consumer == nil || consumer.Start.Kind != mirror.StartSnapshot {
		t.Errorf("%+v", consumer)
	}
}

func TestARevokedSubscriberIsGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.subscribe(map[string]any{"name": "x"})
	r := b.change("DELETE", s.ID, nil)
	if r.Status != subscriberRevoked || r.RevokedAt == nil || r.Note != "" || len(b.boards.consumers) != 0 {
		t.Errorf("%+v, %v", r, b.boards.consumers)
	}
	if shown := b.change("GET", s.ID, nil); shown.Status != subscriberRevoked || shown.Lag != nil {
		t.Errorf("%+v", shown)
	}
	for path, r := range map[string]request{
		"":        {method: "DELETE"},
		"?":       {method: "PATCH", body: map[string]any{"name": "y"}},
		"/rotate": {method: "POST"},
		"/replay": {method: "POST", body: map[string]any{"snapshot": true}},
	} {
		r.path = "/v1/subscribers/" + s.ID + strings.TrimSuffix(path, "?")
		b.call(r).problem(t, 410, "revoked")
	}
	b.call(request{method: "POST", path: "/v1/subscribers/" + s.ID + "/replay", body: map[string]any{
		"job": map[string]any{"connection": "acme", "posting": "p", "version": 1},
	}}).problem(t, 410, "revoked")
}

func TestReplaysBeginWhereTheyAreAsked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.subscribe(map[string]any{"name": "x", "employers": []string{"acme"}})
	b.boards.place, b.boards.versions = 4711, mirror.Versions{Oldest: 3, Newest: 9}
	for i, c := range []struct {
		body string
		want mirror.Start
	}{
		{`{"snapshot":true}`, mirror.Start{Kind: mirror.StartSnapshot}},
		{
			`{"since":"2026-11-01T01:00:00+01:00"}`,
			mirror.Start{Kind: mirror.StartTime, Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		},
		{
			`{"job":{"connection":"acme","posting":"p-1","version":3}}`,
			mirror.Start{Kind: mirror.StartSequence, Sequence: 4711},
		},
	} {
		r := b.change("POST", s.ID+"/replay", []byte(c.body))
		if _, consumer := b.row(s.ID); r.Replay != 2+i || consumer.Start != c.want || consumer.Replay != 2+i {
			t.Errorf("%s: %+v, %+v", c.body, r, consumer)
		}
	}
	path := "/v1/subscribers/" + s.ID + "/replay"
	for _, body := range []string{
		`{}`, `{"snapshot":false}`, `{"snapshot":true,"since":"2026-11-01T00:00:00Z"}`, `{"since":"yesterday"}`,
		`{"since":"2999-01-01T00:00:00Z"}`, `{"job":{}}`, `{"job":{"connection":"*","posting":"p","version":1}}`,
		`{"job":{"connection":"acme","posting":"p.q","version":1}}`, `{"job":{"connection":"acme","posting":"p","version":0}}`,
		`{"job":{"connection":"acme","posting":"p","version":"1"}}`, `{"from":1}`,
	} {
		b.call(request{method: "POST", path: path, body: []byte(body)}).problem(t, 400, "invalid-request")
	}
	job := func(connection string, version int) answer {
		return b.call(request{method: "POST", path: path, body: map[string]any{
			"job": map[string]any{"connection": connection, "posting": "p", "version": version},
		}})
	}
	if p := job("acme", 2).problem(t, 422, "no-such-version"); p.Versions == nil || *p.Versions != (versionsJSON{3, 9}) {
		t.Errorf("%+v", p)
	}
	b.boards.set(func() { b.boards.versions = mirror.Versions{} })
	if p := job("acme", 2).problem(t, 422, "no-such-version"); p.Versions != nil {
		t.Errorf("%+v", p)
	}
	if p := job("beta", 3).problem(t, 422, "not-subscribed"); !slices.Equal(p.Connections, []string{"acme"}) {
		t.Errorf("%+v", p)
	}
	b.boards.set(func() { b.boards.natsDown = errNATSDown })
	job("acme", 3).problem(t, 503, "unavailable")
	if row, _ := b.row(s.ID); row.Replay != 4 {
		t.Errorf("a refused replay was stored: %+v", row)
	}
	b.call(request{method: "POST", path: "/v1/subscribers/never/replay", body: map[string]any{"snapshot": true}}).
		problem(t, 404, "not-found")
}
