package ashbytest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// hook is a webhook as a receiver got it.
type hook struct {
	Action   string `json:"action"`
	ActionID string `json:"webhookActionId"`
	Data     struct {
		Posting map[string]any `json:"jobPosting"`
		Job     map[string]any `json:"job"`
	} `json:"data"`
	signed bool
	raw    []byte
	path   string
}

// receiver collects webhooks and answers the statuses it is told to, then 200.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	secret   string
	got      []hook
	statuses []int
}

func receive(t *testing.T, secret string, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{secret: secret, statuses: statuses}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		var h hook
		if err := json.Unmarshal(body, &h); err != nil {
			t.Errorf("body %s: %v", body, err)
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		h.signed = req.Header.Get("Ashby-Signature") == "sha256="+hex.EncodeToString(mac.Sum(nil))
		h.path, h.raw = req.URL.Path, body
		r.mu.Lock()
		defer r.mu.Unlock()
		status := http.StatusOK
		if len(r.statuses) > 0 {
			status, r.statuses = r.statuses[0], r.statuses[1:]
		}
		r.got = append(r.got, h)
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

// take returns what came since it was last called.
func (r *receiver) take() []hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func (b *bench) subscribe(r *receiver, names ...string) {
	b.t.Helper()
	for _, action := range names {
		if err := b.org.AddWebhook(action, r.URL+"/"+action, r.secret); err != nil {
			b.t.Fatal(err)
		}
	}
	r.take()
}

func (b *bench) settled() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	if err := b.sim.WaitDelivered(ctx); err != nil {
		b.t.Fatal(err)
	}
}

func actionsOf(hooks []hook) []string {
	out := make([]string, 0, len(hooks))
	for _, h := range hooks {
		out = append(out, h.Action)
	}
	slices.Sort(out)
	return out
}

func TestWhichWebhooksAreSent(t *testing.T) {
	t.Parallel()
	b := setup(t, 3, Options{})
	r := receive(t, "secret")
	b.subscribe(r, actions...)
	all := b.org.Postings()
	id := all[0].ID
	for _, step := range []struct {
		name string
		act  func() bool
		want []string
	}{
		{"unpublish", func() bool { return b.org.Unpublish(id) }, []string{"jobPostingUnpublish", "jobPostingUpdate"}},
		{"publish", func() bool { return b.org.Publish(id) }, []string{"jobPostingPublish", "jobPostingUpdate"}},
		{"retitle", func() bool { return b.org.Retitle(id, "New") }, []string{"jobPostingUpdate"}},
		{"describe", func() bool { return b.org.EditDescription(id, "<p>New</p>") }, []string{"jobPostingUpdate"}},
		{"unlist", func() bool { return b.org.SetListed(id, false) }, []string{"jobPostingUpdate"}},
		{"confidential", func() bool { return b.org.SetConfidential(all[1].JobID, true) }, []string{"jobUpdate"}},
		{"close job", func() bool { return b.org.SetJobStatus(all[2].JobID, JobClosed) }, []string{"jobPostingUnpublish", "jobPostingUpdate", "jobUpdate"}},
		{"delete", func() bool { return b.org.DeletePosting(id) }, []string{"jobPostingDelete"}},
		{"create", func() bool { return b.org.CreatePosting(PostingSpec{}) != "" }, []string{"jobCreate"}},
		{"rename", func() bool {
			for place := range b.org.Locations() {
				return b.org.RenameLocation(place, "Elsewhere")
			}
			return false
		}, []string{}},
	} {
		if !step.act() {
			t.Fatalf("%s was refused", step.name)
		}
		b.settled()
		got := r.take()
		if names := actionsOf(got); !slices.Equal(names, step.want) {
			t.Errorf("%s sends %v, want %v", step.name, names, step.want)
		}
		for _, h := range got {
			if !h.signed || h.ActionID != got[0].ActionID || !uuidPattern.MatchString(h.ActionID) || h.path != "/"+h.Action {
				t.Errorf("%s sends %+v", step.name, h)
			}
			if _, has := h.Data.Posting["descriptionHtml"]; has {
				t.Errorf("%s sends the description", step.name)
			}
			if step.name == "delete" && (len(h.Data.Posting) != 2 || h.Data.Posting["jobId"] != all[0].JobID) {
				t.Errorf("delete sends %v", h.Data.Posting)
			}
		}
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	r := receive(t, "secret", http.StatusInternalServerError)
	err := b.org.AddWebhook("jobPostingUpdate", r.URL, "secret")
	if !errors.Is(err, ErrPingFailed) {
		t.Fatalf("error %v", err)
	}
	r.take()
	b.org.Retitle(b.org.Postings()[0].ID, "Unheard")
	b.settled()
	if got := r.take(); len(got) != 0 {
		t.Errorf("a disabled webhook delivered %v", got)
	}
	if err := b.org.AddWebhook("jobPostingUpdate", r.URL, "secret"); err != nil {
		t.Fatal(err)
	}
	if got := r.take(); len(got) != 1 || got[0].Action != "ping" || !got[0].signed {
		t.Errorf("pings %+v", got)
	}
	if err := b.org.AddWebhook("jobPostingUpdate", r.URL, "secret"); !errors.Is(err, ErrDuplicateWebhook) {
		t.Errorf("error %v", err)
	}
	if err := b.org.AddWebhook("application.created", r.URL, "secret"); !errors.Is(err, ErrUnknownAction) {
		t.Errorf("error %v", err)
	}
	unsigned := setup(t, 1, Options{UnsignedPings: true})
	if err := unsigned.org.AddWebhook("jobUpdate", r.URL, "secret"); err != nil {
		t.Fatal(err)
	}
	if got := r.take(); len(got) != 1 || got[0].signed {
		t.Errorf("pings %+v", got)
	}
}

func TestFanOutDuplicatesAndLoss(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	one, two := receive(t, "secret one"), receive(t, "secret two")
	b.subscribe(one, "jobPostingUpdate")
	b.subscribe(two, "jobPostingUpdate")
	id := b.org.Postings()[0].ID

	b.org.Retitle(id, "First")
	b.settled()
	a, c := one.take(), two.take()
	if len(a) != 1 || len(c) != 1 || a[0].ActionID != c[0].ActionID || !a[0].signed || !c[0].signed {
		t.Fatalf("one got %+v, two got %+v", a, c)
	}
	b.org.DuplicateWebhooks(2)
	b.org.Retitle(id, "Second")
	b.settled()
	if got := one.take(); len(got) != 3 || got[0].ActionID != got[2].ActionID {
		t.Errorf("duplicates %+v", got)
	}
	b.org.DuplicateWebhooks(0)
	b.org.MuteWebhooks(true)
	b.org.Retitle(id, "Third")
	b.org.MuteWebhooks(false)
	b.settled()
	if got := one.take(); len(got) != 0 {
		t.Errorf("muted %+v", got)
	}
	b.org.SetWebhookSecret("secret one")
	two.take()
	b.org.Retitle(id, "Fourth")
	b.settled()
	if got := two.take(); len(got) != 1 || got[0].signed {
		t.Errorf("after a change of secret %+v", got)
	}
	b.org.RemoveWebhooks()
	b.org.Retitle(id, "Fifth")
	b.settled()
	if got := one.take(); len(got) != 1 {
		t.Errorf("%d webhooks, want only the fourth", len(got))
	}
}

func TestShuffledWebhooksComeOutOfOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	r := receive(t, "secret")
	b.subscribe(r, "jobPostingUpdate")
	b.org.ShuffleWebhooks(50 * time.Millisecond)
	id := b.org.Postings()[0].ID
	for range 30 {
		b.org.Retitle(id, "Again")
	}
	b.settled()
	got := r.take()
	if len(got) != 30 {
		t.Fatalf("%d webhooks", len(got))
	}
	inOrder := slices.IsSortedFunc(got, func(x, y hook) int {
		if x.Data.Posting["updatedAt"].(string) < y.Data.Posting["updatedAt"].(string) {
			return -1
		}
		return 1
	})
	if inOrder {
		t.Error("30 webhooks came in order")
	}
}
