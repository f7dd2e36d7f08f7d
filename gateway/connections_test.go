package gateway

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

func registrationBody(changes map[string]any) map[string]any {
	body := map[string]any{"employer_ref": "acme-42", "employer_name": "Acme GmbH", "api_key": "  " + goodKey + "\n"}
	for k, v := range changes {
		if v == nil {
			delete(body, k)
		} else {
			body[k] = v
		}
	}
	return body
}

func TestRegistrationAnswersWithAllTheEmployerNeeds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.clock.add(123456789 * time.Nanosecond)
	a := b.call(request{method: "POST", path: "/v1/connections", body: registrationBody(
		map[string]any{"poll_interval": "PT1H30M", "modules": []string{"jobs", "jobs"}})})
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var c connectionJSON
	a.into(t, &c)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString(c.ID) {
		t.Errorf("id %q is no UUID v7", c.ID)
	}
	if got := a.header.Get("Location"); got != "/v1/connections/"+c.ID {
		t.Errorf("Location %q", got)
	}
	if c.Status != mirror.StatusActive || c.PollInterval != "1h30m" || c.KeyLast4 != "cdef" || !c.Report.OK ||
		fmt.Sprint(c.Modules) != "[jobs]" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s", a.body)
	}
	setup := c.WebhookSetup
	if fmt.Sprint(setup.EventTypes) != fmt.Sprint(ashby.WebhookActions()) || len(setup.Steps) == 0 {
		t.Errorf("set-up %+v", setup)
	}
	for _, action := range ashby.WebhookActions() {
		want := regexp.MustCompile(`^` + regexp.QuoteMeta(publicURL) + `/hooks/ashby/[0-9a-f]{48}/` + action + `$`)
		if !want.MatchString(setup.URLs[action]) {
			t.Errorf("URL of %s: %q", action, setup.URLs[action])
		}
	}
	stored := b.store.conns[c.ID]
	if key, err := b.keyset.Open(stored.Key, c.ID, seal.KindAPIKey); err != nil || key.Reveal() != goodKey {
		t.Errorf("stored key does not open to the trimmed key: %v", err)
	}
	secret, err := b.keyset.Open(stored.WebhookSecret, c.ID, seal.KindWebhookSecret)
	if err != nil || secret.Reveal() != setup.Secret {
		t.Errorf("stored webhook secret is not the one shown: %v", err)
	}
	eventually(t, "a hint for the first sync", func() bool {
		h := b.bus.published()
		return len(h) == 1 && h[0] == mirror.Hint{Connection: c.ID, Kind: mirror.HintAll}
	})
	if !stored.CreatedAt.Equal(c.CreatedAt) || !stored.StatusSince.Equal(c.StatusSince) ||
		stored.CreatedAt.Nanosecond()%1000 != 0 {
		t.Errorf("stored as made at %s, shown as %s", stored.CreatedAt, c.CreatedAt)
	}
	again := b.call(request{method: "GET", path: "/v1/connections/" + c.ID})
	if again.status != http.StatusOK || strings.Contains(string(again.body), setup.Secret) {
		t.Errorf("the secret is shown twice: %s", again.body)
	}
}

func TestRegistrationNamesEveryFault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		body   any
		fields []string
	}{
		"unknown field":   {registrationBody(map[string]any{"apikey": "x"}), []string{"apikey"}},
		"wrong case":      {registrationBody(map[string]any{"API_KEY": "x"}), []string{"API_KEY"}},
		"missing":         {map[string]any{}, []string{"employer_ref", "employer_name", "api_key"}},
		"too long":        {registrationBody(map[string]any{"employer_ref": strings.Repeat("x", 201)}), []string{"employer_ref"}},
		"blank":           {registrationBody(map[string]any{"employer_name": "  "}), []string{"employer_name"}},
		"control":         {registrationBody(map[string]any{"employer_ref": "a\x00b"}), []string{"employer_ref"}},
		"odd key":         {registrationBody(map[string]any{"api_key": "two words"}), []string{"api_key"}},
		"module":          {registrationBody(map[string]any{"modules": []string{"candidates"}}), []string{"modules"}},
		"wrong type":      {registrationBody(map[string]any{"modules": "jobs"}), []string{"modules"}},
		"short interval":  {registrationBody(map[string]any{"poll_interval": "59s"}), []string{"poll_interval"}},
		"long interval":   {registrationBody(map[string]any{"poll_interval": "25h"}), []string{"poll_interval"}},
		"number interval": {registrationBody(map[string]any{"poll_interval": 3600}), []string{"poll_interval"}},
		"two faults": {
			registrationBody(map[string]any{"poll_interval": "x", "employer_ref": ""}),
			[]string{"employer_ref", "poll_interval"},
		},
		"no object":  {[]byte(`[]`), []string{""}},
		"null":       {[]byte(`null`), []string{""}},
		"two values": {[]byte(`{} {}`), []string{""}},
		"empty":      {[]byte(``), []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			p := b.call(request{method: "POST", path: "/v1/connections", body: c.body}).problem(t, 400, "invalid-request")
			var fields []string
			for _, f := range p.Errors {
				fields = append(fields, f.Field)
			}
			if fmt.Sprint(fields) != fmt.Sprint(c.fields) {
				t.Errorf("faults %+v, want %v", p.Errors, c.fields)
			}
		})
	}
	if b.prober.calls != 0 || len(b.store.conns) != 0 {
		t.Errorf("an invalid request was probed or stored")
	}
}

func TestRegistrationRefusesWhatTheProbeFinds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	missing := okReport()
	missing.OK, missing.Permissions[0].State = false, mirror.Missing
	for _, c := range []struct {
		answer probeAnswer
		status int
		name   string
	}{
		{probeAnswer{err: fmt.Errorf("probing: %w", ashby.ErrUnauthorized)}, 422, "wrong-key"},
		{probeAnswer{err: ashby.ErrUnavailable}, 502, "ashby-unavailable"},
		{probeAnswer{err: ashby.ErrMalformed}, 502, "ashby-unavailable"},
		{probeAnswer{err: ashby.ErrRateLimited}, 502, "ashby-unavailable"},
		{probeAnswer{err: errBoom}, 500, "internal"},
		{probeAnswer{report: missing}, 422, "missing-permission"},
	} {
		b.prober.set(goodKey, c.answer)
		p := b.call(request{method: "POST", path: "/v1/connections", body: registrationBody(nil)}).
			problem(t, c.status, c.name)
		if (p.Report != nil) != (c.name == "missing-permission") {
			t.Errorf("%s: report %v", c.name, p.Report)
		}
	}
	if len(b.store.conns) != 0 {
		t.Error("a refused key was stored")
	}
	if strings.Contains(b.logs.String(), `"error":"boom"`) {
		t.Error("the cause was logged without what was being done")
	}
	if !strings.Contains(b.logs.String(), "probing the key: boom") {
		t.Error("the cause of the internal error is not in the log")
	}
}

func TestRegistrationRefusesDuplicates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	calls := b.prober.calls
	p := b.call(request{method: "POST", path: "/v1/connections", body: registrationBody(
		map[string]any{"api_key": goodKey + "-acme"})}).problem(t, 409, "duplicate-key")
	if fmt.Sprint(p.Connections) != "["+e.ID+"]" || b.prober.calls != calls {
		t.Errorf("connections %v; probed %v", p.Connections, b.prober.calls != calls)
	}
	b.call(request{method: "POST", path: "/v1/connections", body: registrationBody(
		map[string]any{"employer_ref": "acme"})}).problem(t, 409, "duplicate-employer")
	b.store.setDown(mirror.ErrUnavailable)
	b.call(request{method: "POST", path: "/v1/connections", body: registrationBody(nil)}).problem(t, 503, "unavailable")
}

func TestCheckStoresNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	missing := okReport()
	missing.OK = false
	b.prober.set("weak", probeAnswer{report: missing})
	a := b.call(request{method: "POST", path: "/v1/connections/check", body: map[string]any{"api_key": "weak"}})
	var r mirror.Report
	a.into(t, &r)
	if a.status != http.StatusOK || r.OK {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.call(request{method: "POST", path: "/v1/connections/check", body: map[string]any{"api_key": "wrong"}}).
		problem(t, 422, "wrong-key")
	b.call(request{method: "POST", path: "/v1/connections/check", body: map[string]any{"api_key": "x", "employer": 1}}).
		problem(t, 400, "invalid-request")
	if len(b.store.conns) != 0 || len(b.bus.published()) != 0 {
		t.Error("something was stored")
	}
}

func TestConnectionsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := make(map[string]bool)
	for i := range 5 {
		want[b.connect(fmt.Sprint("employer-", i)).ID] = true
	}
	path, pages := "/v1/connections?limit=2", 0
	for path != "" {
		var page connectionsJSON
		b.call(request{method: "GET", path: path}).into(t, &page)
		for _, c := range page.Connections {
			delete(want, c.ID)
		}
		if pages++; pages > 4 {
			t.Fatal("the list does not end")
		}
		path = ""
		if page.NextCursor != nil {
			path = "/v1/connections?limit=2&cursor=" + *page.NextCursor
		}
	}
	if len(want) != 0 || pages != 3 {
		t.Errorf("%d not listed, %d pages", len(want), pages)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "cursor=zzz", "cursor=1e30", "page=2", "limit=1&limit=2"} {
		b.call(request{method: "GET", path: "/v1/connections?" + query}).problem(t, 400, "invalid-request")
	}
}

func TestConnectionIsShownWithItsProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	b.store.change(func() { b.store.conns[e.ID].postings = []string{"a", "b", "c"} })
	if err := b.store.Seen(t.Context(), e.ID, "jobPostingUpdate", true); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Seen(t.Context(), e.ID, "applicationSubmit", false); err != nil {
		t.Fatal(err)
	}
	var c connectionJSON
	b.call(request{method: "GET", path: "/v1/connections/" + e.ID}).into(t, &c)
	seen := make(map[string]bool)
	for _, s := range c.WebhookSetup.Seen {
		seen[s.EventType] = s.PingedAt != nil
	}
	if c.Counts.Mirrored != 3 || !seen["jobPostingUpdate"] || seen["applicationSubmit"] ||
		len(seen) != len(ashby.WebhookActions())+1 {
		t.Errorf("%+v", c)
	}
	for _, id := range []string{"unknown", "..%2f..", strings.Repeat("x", 70)} {
		b.call(request{method: "GET", path: "/v1/connections/" + id}).problem(t, 404, "not-found")
	}
}

func TestEstimateOfARunningPass(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	now := b.clock.now()
	started, finished := now.Add(-3*time.Minute), now.Add(-time.Minute)
	before, soon := started.Add(-time.Hour), now.Add(time.Second)
	for name, c := range map[string]struct {
		sync   mirror.SyncState
		status mirror.Status
		want   string
	}{
		"never ran":        {mirror.SyncState{Done: 1, Total: 2}, mirror.StatusActive, ""},
		"first pass":       {mirror.SyncState{PollStartedAt: &started, Done: 300, Total: 1000}, mirror.StatusActive, "2026-11-23T10:07:00Z"},
		"later pass":       {mirror.SyncState{PollStartedAt: &started, PollFinishedAt: &before, Done: 1, Total: 2}, mirror.StatusDegraded, "2026-11-23T10:03:00Z"},
		"nearly done":      {mirror.SyncState{PollStartedAt: &started, Done: 5, Total: 4}, mirror.StatusActive, "2026-11-23T10:00:00Z"},
		"nothing done":     {mirror.SyncState{PollStartedAt: &started, Total: 1000}, mirror.StatusActive, ""},
		"unknown size":     {mirror.SyncState{PollStartedAt: &started}, mirror.StatusActive, ""},
		"finished":         {mirror.SyncState{PollStartedAt: &started, PollFinishedAt: &finished, Done: 2, Total: 4}, mirror.StatusActive, ""},
		"paused meanwhile": {mirror.SyncState{PollStartedAt: &started, Done: 1, Total: 2}, mirror.StatusPaused, ""},
		"clock is behind":  {mirror.SyncState{PollStartedAt: &soon, Done: 1, Total: 2}, mirror.StatusActive, ""},
	} {
		b.store.change(func() { b.store.conns[e.ID].sync, b.store.conns[e.ID].Status = c.sync, c.status })
		var shown struct{ Sync struct{ Estimate *string } }
		b.call(request{method: "GET", path: "/v1/connections/" + e.ID}).into(t, &shown)
		got := ""
		if shown.Sync.Estimate != nil {
			got = *shown.Sync.Estimate
		}
		if got != c.want {
			t.Errorf("%s: estimate %q, want %q", name, got, c.want)
		}
	}
}

func TestRemovalAsksWhatHappensToTheJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	path := "/v1/connections/" + e.ID
	for _, query := range []string{"", "?jobs=", "?jobs=drop", "?job=keep"} {
		p := b.call(request{method: "DELETE", path: path + query}).problem(t, 400, "invalid-request")
		if said := fmt.Sprint(p.Errors); !strings.Contains(said, "keep") || !strings.Contains(said, "close") {
			t.Errorf("the choices are not told: %s", said)
		}
	}
	if a := b.call(request{method: "DELETE", path: path + "?jobs=close"}); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if b.bus.wakes != 1 {
		t.Error("the relay was not woken")
	}
	b.call(request{method: "DELETE", path: path + "?jobs=close"}).problem(t, 410, "removed")
	b.call(request{method: "POST", path: path + "/sync"}).problem(t, 410, "removed")
	b.call(request{method: "PATCH", path: path, body: map[string]any{"paused": true}}).problem(t, 410, "removed")
	b.call(request{method: "DELETE", path: "/v1/connections/none?jobs=keep"}).problem(t, 404, "not-found")
	var c connectionJSON
	b.call(request{method: "GET", path: path}).into(t, &c)
	if c.Status != mirror.StatusRemoved || c.WebhookSetup != nil {
		t.Errorf("removed connection is shown as %+v", c)
	}
	// The key is free again, and the hook says at once that the connection is gone.
	b.deliver(e, postingUpdate("a1", "p1")).problem(t, 410, "removed")
	b.connect("acme")
}

func TestSyncMakesAPollDue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	path := "/v1/connections/" + e.ID
	if a := b.call(request{method: "POST", path: path + "/sync"}); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if fmt.Sprint(b.store.due) != "["+e.ID+"]" {
		t.Errorf("due %v", b.store.due)
	}
	eventually(t, "a hint to poll", func() bool {
		return slices.Contains(b.bus.published(), mirror.Hint{Connection: e.ID, Kind: mirror.HintPoll})
	})
	b.call(request{method: "PATCH", path: path, body: map[string]any{"paused": true}})
	b.call(request{method: "POST", path: path + "/sync"}).problem(t, 409, "paused")
	b.call(request{method: "POST", path: "/v1/connections/none/sync"}).problem(t, 404, "not-found")
}

func TestIntervalsAreReadAndWritten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1h": "1h", "90m": "1h30m", "PT1H": "1h", "PT90M": "1h30m", "PT3600S": "1h",
		"1h0m30s": "1h30s", "PT1H2M3S": "1h2m3s",
	} {
		d, err := parseInterval(in)
		if err != nil || formatInterval(d) != want {
			t.Errorf("%s became %s (%v), want %s", in, formatInterval(d), err, want)
		}
	}
	if formatInterval(0) != "0s" || formatInterval(500*time.Millisecond) != "0s" {
		t.Error("nothing is not 0s")
	}
}
