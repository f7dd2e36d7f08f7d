package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/feed"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestNamesTag(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]bool{
		`"abc"`: true, `W/"abc"`: true, ` W/"abc" `: true, `*`: true, ` * `: true, `"x", W/"abc"`: true, `"x","abc"`: true,
		`"a,b" , "abc"`: true, `,, "abc"`: true, `"", "abc"`: true,
		``: false, `abc`: false, `"abc`: false, `w/"abc"`: false, `"ab"`: false, `"ABC"`: false, `W/abc`: false, `"*"`: false,
		`"x" garbage "abc"`: false, `"abcd"`: false, `"x", *`: false,
	} {
		if got := namesTag(field, "abc"); got != want {
			t.Errorf("%s: %t", field, got)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]bool{
		"gzip": true, "GZIP": true, "x-gzip": true, "deflate, gzip;q=0.5, br": true, "*": true, "gzip ; q=1.000": true,
		"br;q=1, *;q=0.1": true, "gzip;q=0, *": false,
		"": false, "identity": false, "br": false, "gzip;q=0": false, "gzip;q=0.000": false, "*;q=0": false, "gzipped": false,
		"gzip;q=x": false, "*;q=0, gzip": true,
	} {
		if got := acceptsGzip(field); got != want {
			t.Errorf("%q: %t", field, got)
		}
	}
}

func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := b.clock.now().Add(time.Hour)
	f := b.makeFeed()
	b.clock.add(2 * time.Hour)
	b.put(manyJobs(t, 1, at)...)
	tag := b.read(f.Token, "rss", nil).header.Get("ETag")
	before, after := at.Add(-time.Second).Format(http.TimeFormat), at.Add(time.Second).Format(http.TimeFormat)
	for _, c := range []struct {
		name, none, since string
		want              int
	}{
		{"nothing", "", "", 200},
		{"the tag", tag, "", 304},
		{"the tag and an older time", tag, before, 304},
		{"the tag in a list", `"x", ` + tag, "", 304},
		{"any tag", "*", "", 304},
		{"another tag", `W/"x"`, "", 200},
		{"another tag and a later time", `W/"x"`, after, 200},
		{"the time", "", at.Format(http.TimeFormat), 304},
		{"a later time", "", after, 304},
		{"an earlier time", "", before, 200},
		{"a time of RFC 850", "", at.Format("Monday, 02-Jan-06 15:04:05 GMT"), 304},
		{"no time", "", "yesterday", 200},
	} {
		header := map[string]string{}
		if c.none != "" {
			header["If-None-Match"] = c.none
		}
		if c.since != "" {
			header["If-Modified-Since"] = c.since
		}
		for _, method := range []string{"GET", "HEAD"} {
			a := b.call(request{method: method, path: "/feeds/" + f.Token + "/jobs.rss", header: header, anonymous: true})
			if a.status != c.want {
				t.Errorf("%s %s: %d", method, c.name, a.status)
			}
		}
	}
}

// Another release may write the same jobs in another way. An entity tag says so, a time does not: whoever asks by time
// alone is sent the document once after each start.
func TestStartIsAChangeToThoseWhoAskByTime(t *testing.T) {
	t.Parallel()
	b := setup(t) // begins now, long after the last change
	at := b.clock.now().Add(-time.Hour)
	b.clock.add(-2 * time.Hour)
	f := b.makeFeed()
	b.clock.add(2*time.Hour + time.Minute)
	b.put(manyJobs(t, 1, at)...)
	old := b.read(f.Token, "xml", map[string]string{"If-Modified-Since": at.Format(http.TimeFormat)})
	if old.status != http.StatusOK {
		t.Fatalf("with a copy from before the start: %d", old.status)
	}
	for name, header := range map[string]map[string]string{
		"the time of that answer": {"If-Modified-Since": old.header.Get("Last-Modified")},
		"its tag":                 {"If-None-Match": old.header.Get("ETag")},
		"its tag and an old time": {"If-None-Match": old.header.Get("ETag"), "If-Modified-Since": at.Format(http.TimeFormat)},
	} {
		if a := b.read(f.Token, "xml", header); a.status != http.StatusNotModified {
			t.Errorf("with %s: %d", name, a.status)
		}
	}
}

// Whoever has the Last-Modified of one answer is told of every later change, also of one in the same second or one that
// is committed late.
func TestLastModifiedHidesNoChange(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	second := b.clock.now()
	b.clock.add(3 * time.Second)
	at := func(ms int) time.Time { return second.Add(time.Duration(ms) * time.Millisecond) }
	made := mirror.Feed{CreatedAt: at(-90_000)}
	for _, c := range []struct {
		name                      string
		changed, horizon          time.Time
		wantChanged, wantModified time.Time
	}{
		{"long ago", at(0), at(60_000), at(0), at(0)},
		{"within a second", at(1), at(60_000), at(1000), at(1000)},
		{"just now", at(1), at(999), at(1000), at(0)},
		{"later than now", at(2001), at(60_000), at(3000), at(2000)},
		{"just now, at the second's end", at(1), at(1000), at(1000), at(1000)},
		{"after an older change that is under way", at(5000), at(1500), at(5000), at(1000)},
		{"the store cannot tell", at(5000), time.Unix(0, 0), at(5000), time.Time{}},
		{"never", time.Time{}, at(60_000), at(-90_000), at(0)},
		{"before the feed was made", at(-100_000), at(60_000), at(-90_000), at(0)},
	} {
		got := b.feedEdition(made, feed.JSON, mirror.FeedState{ChangedAt: c.changed, Horizon: c.horizon})
		if !got.changed.Equal(c.wantChanged) || !got.modified.Equal(c.wantModified) {
			t.Errorf("%s: changed %s, modified %s", c.name, got.changed, got.modified)
		}
		later := c.horizon.Add(time.Microsecond) // of a change that this state does not show
		if next := b.feedEdition(made, feed.JSON, mirror.FeedState{ChangedAt: later}); !next.changed.After(got.modified) {
			t.Errorf("%s: a change at %s hides behind %s", c.name, later, got.modified)
		}
	}
}
