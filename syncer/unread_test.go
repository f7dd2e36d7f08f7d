package syncer

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// malformed makes a fault of the reads of some postings.
func malformed(ids ...string) func(method, id string) error {
	return func(method, id string) error {
		for _, bad := range ids {
			if method == "jobPosting.info" && id == bad {
				return &ashby.APIError{Method: method, Reason: ashby.ErrMalformed}
			}
		}
		return nil
	}
}

func TestPollWithUnreadPostingsIsNotComplete(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		for i := range 10 {
			b.publish(fmt.Sprintf("p%d", i))
		}
		b.setFault(malformed("p3", "p7"))
		b.connect(conn, "key")
		b.webhook(mirrorPoll, "")
		b.pass(3 * time.Second)
		s := b.sync()
		if s.FirstSyncedAt != nil || s.LastVerifiedAt != nil || !strings.Contains(s.LastError, "p3, p7") {
			t.Errorf("with two of ten unread: %+v", s)
		}
		if len(b.events("")) != 8 || b.openRows() != 1 {
			t.Errorf("%d events, %d open webhooks", len(b.events("")), b.openRows())
		}
		b.setFault(nil)
		b.pass(6 * time.Minute)
		s = b.sync()
		if s.FirstSyncedAt == nil || s.LastVerifiedAt == nil || s.LastError != "" {
			t.Errorf("once all can be read: %+v", s)
		}
		if len(b.events("")) != 10 || b.openRows() != 0 {
			t.Errorf("%d events, %d open webhooks", len(b.events("")), b.openRows())
		}
	})
}

func TestPostingThatStaysUnreadableIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		b.publish("p1", "p2", "p3", "p4", "p5")
		b.setFault(malformed("p3"))
		b.connect(conn, "key")
		b.webhook(mirrorPoll, "")
		b.pass(7 * time.Minute)
		if b.sync().FirstSyncedAt != nil {
			t.Error("given up after two polls")
		}
		b.pass(5 * time.Minute)
		s := b.sync()
		if s.FirstSyncedAt == nil || s.LastVerifiedAt == nil || !strings.Contains(s.LastError, "p3") || b.openRows() != 0 {
			t.Fatalf("not given up after three polls: %+v, %d open webhooks", s, b.openRows())
		}
		if next := time.Until(s.NextPollAt); next < 30*time.Minute {
			t.Errorf("the next poll comes in %s", next)
		}
		// Another one is waited for anew.
		b.put(ashby.KindPosting, "p4", map[string]any{"title": "Changed"})
		b.setFault(malformed("p3", "p4"))
		b.pollNow()
		if s2 := b.sync(); !s2.LastVerifiedAt.Equal(*s.LastVerifiedAt) || !strings.Contains(s2.LastError, "p4") {
			t.Errorf("with another one unread: %+v", s2)
		}
		b.setFault(nil)
		b.pass(6 * time.Minute)
		if s := b.sync(); s.LastError != "" || len(b.events("p3")) != 1 || len(b.events("p4")) != 2 {
			t.Errorf("once all can be read: %+v", s)
		}
	})
}

func TestBadRowsOfTheListingKeepThePollIncomplete(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b")
		verified := *b.sync().LastVerifiedAt
		b.setList(func(l *ashby.PostingList) {
			l.Bad, l.Records = []ashby.BadRow{{Err: ashby.ErrMalformed}}, l.Records[1:]
		})
		b.pollNow()
		if s := b.sync(); !s.LastVerifiedAt.Equal(verified) || !strings.Contains(s.LastError, "a row without an id") {
			t.Errorf("%+v", s)
		}
	})
}

func TestUnreadReason(t *testing.T) {
	t.Parallel()
	for want, ids := range map[string][]string{
		"Postings that could not be read: a, b.":                            {"b", "a", "b"},
		"Postings that could not be read: a row without an id, x.":          {"", "x", ""},
		"Postings that could not be read: a, b, c, d, e and 2 more.":        {"a", "b", "c", "d", "e", "f", "g"},
		"Postings that could not be read: a row without an id, 1, 2, 3, 4.": {"", "1", "2", "3", "4"},
	} {
		if got := unreadReason(ids, nil); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// lines counts what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestUnreadableAnswerIsLoggedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var log lines
		b := setup(t, func(o *Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		})
		b.publish("a")
		b.connect(conn, "key")
		b.pass(3 * time.Second)
		b.put(ashby.KindJob, "job-a", map[string]any{"confidential": "perhaps"})
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		if got := strings.Count(log.String(), "\n"); got != 1 || !strings.Contains(log.String(), "object not refreshed") {
			t.Errorf("%d lines about one failure:\n%s", got, log.String())
		}
		if b.count("bad_rows_total", "job") != 1 {
			t.Error("not counted")
		}
	})
}
