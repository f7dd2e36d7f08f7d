package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// makeFeed makes a feed of the employers, of all if none is given.
func (b *bundle) makeFeed(employers ...string) feedJSON {
	b.t.Helper()
	var chosen any
	if len(employers) > 0 {
		chosen = employers
	}
	a := b.call(request{method: "POST", path: "/v1/feeds", body: map[string]any{"name": "Example Jobs", "employers": chosen}})
	if a.status != http.StatusCreated {
		b.t.Fatalf("%d %s", a.status, a.body)
	}
	var f feedJSON
	a.into(b.t, &f)
	return f
}

func TestFeedsAreMadeListedRotatedAndDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	all, one := b.makeFeed(), b.makeFeed(e.ID, e.ID)
	if all.Employers != nil || fmt.Sprint(one.Employers) != fmt.Sprint([]string{e.ID}) || all.Name != "Example Jobs" ||
		!strings.HasPrefix(all.ID, "feed_") || !strings.HasPrefix(all.Token, "ash_feed_") || all.Token == one.Token ||
		len(all.Token) != 57 || all.LastReadAt != nil {
		t.Errorf("%+v, %+v", all, one)
	}
	if want := publicURL + "/feeds/" + all.Token + "/jobs.rss"; all.URLs.RSS != want {
		t.Errorf("address %s, want %s", all.URLs.RSS, want)
	}
	var first, second feedsJSON
	b.call(request{method: "GET", path: "/v1/feeds?limit=1"}).into(t, &first)
	b.call(request{method: "GET", path: "/v1/feeds?cursor=" + *first.NextCursor}).into(t, &second)
	if len(first.Feeds) != 1 || len(second.Feeds) != 1 || first.Feeds[0].ID == second.Feeds[0].ID || second.NextCursor != nil {
		t.Errorf("%+v, %+v", first, second)
	}
	if f := first.Feeds[0]; f.Token != "" || f.URLs != nil {
		t.Errorf("a list shows a token: %+v", f)
	}

	var rotated feedJSON
	b.call(request{method: "POST", path: "/v1/feeds/" + all.ID + "/rotate"}).into(t, &rotated)
	if rotated.ID != all.ID || rotated.Token == all.Token || rotated.RotatedAt == nil {
		t.Errorf("%+v", rotated)
	}
	b.read(all.Token, "json", nil).problem(t, 404, "not-found")
	if a := b.read(rotated.Token, "json", nil); a.status != http.StatusOK {
		t.Errorf("after the rotation: %d %s", a.status, a.body)
	}
	if a := b.call(request{method: "DELETE", path: "/v1/feeds/" + all.ID}); a.status != http.StatusNoContent || len(a.body) > 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.read(rotated.Token, "xml", nil).problem(t, 404, "not-found")
	for _, r := range []request{
		{method: "DELETE", path: "/v1/feeds/" + all.ID},
		{method: "POST", path: "/v1/feeds/" + all.ID + "/rotate"},
		{method: "DELETE", path: "/v1/feeds/a.b"},
		{method: "POST", path: "/v1/feeds/a.b/rotate"},
	} {
		b.call(r).problem(t, 404, "not-found")
	}
	for _, token := range []string{all.Token, rotated.Token, one.Token} {
		if strings.Contains(b.logs.String(), token) || strings.Contains(exposition(t, b), token) {
			t.Errorf("the token %s is in the logs or metrics", token)
		}
	}
}

func TestFeedsAreCheckedBeforeTheyAreMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	many := make([]string, mostFed+1)
	for i := range many {
		many[i] = fmt.Sprint("c", i)
	}
	for body, field := range map[string]string{
		`{}`:                              "name",
		`{"name":" "}`:                    "name",
		`{"name":"a\u0000b"}`:             "name",
		`{"name":"x","employers":[]}`:     "employers",
		`{"name":"x","employers":["a/"]}`: "employers",
		`{"name":"x","employers":"` + e.ID + `"}`:                                  "employers",
		`{"name":"x","employers":["` + strings.Join(many, `","`) + `"]}`:           "employers",
		`{"name":"x","employer":null}`:                                             "employer",
		`{"name":"` + strings.Repeat("x", 201) + `","employers":["` + e.ID + `"]}`: "name",
	} {
		p := b.call(request{method: "POST", path: "/v1/feeds", body: []byte(body)}).problem(t, 400, "invalid-request")
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%.80s: %+v", body, p.Errors)
		}
	}
	p := b.call(request{method: "POST", path: "/v1/feeds", body: []byte(`{"name":"x","employers":["` + e.ID + `","01a2"]}`)}).
		problem(t, 422, "unknown-employers")
	if len(p.Connections) != 1 || p.Connections[0] != "01a2" {
		t.Errorf("unknown are %v", p.Connections)
	}
	b.call(request{method: "GET", path: "/v1/feeds?limit=0"}).problem(t, 400, "invalid-request")
	b.store.setDown(mirror.ErrUnavailable)
	b.call(request{method: "POST", path: "/v1/feeds", body: map[string]any{"name": "x"}}).problem(t, 503, "unavailable")
	b.call(request{method: "GET", path: "/v1/feeds"}).problem(t, 503, "unavailable")
}

func TestFeedReadIsNotedOnceAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.makeFeed()
	for range 3 {
		b.read(f.Token, "json", nil)
	}
	b.clock.add(time.Minute)
	b.read(f.Token, "json", nil)
	b.clock.add(time.Minute)
	b.store.mu.Lock()
	reads := b.store.reads
	b.store.readErr = errBoom
	b.store.mu.Unlock()
	if reads != 2 {
		t.Errorf("noted %d times", reads)
	}
	if a := b.read(f.Token, "json", nil); a.status != http.StatusOK {
		t.Errorf("when it cannot be noted: %d %s", a.status, a.body)
	}
}
