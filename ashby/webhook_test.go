package ashby

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var webhooks = []struct {
	name, body string
	want       Webhook
	err        error
}{
	{
		"publish", `{"action":"jobPostingPublish","webhookActionId":"9c1f3a52-0000-4000-8000-000000000001","data":{"jobPosting":{"id":"p1","title":"x"}}}`,
		Webhook{ActionID: "9c1f3a52-0000-4000-8000-000000000001", Action: "jobPostingPublish", Kind: KindPosting, ObjectID: "p1", Known: true},
		nil,
	},
	{
		"delete", `{"action":"jobPostingDelete","data":{"jobPosting":{"id":"p1","jobId":"j1"}}}`,
		Webhook{Action: "jobPostingDelete", Kind: KindPosting, ObjectID: "p1", Known: true},
		nil,
	},
	{"job", `{"action":"jobUpdate","data":{"job":{"id":"j1"}}}`, Webhook{Action: "jobUpdate", Kind: KindJob, ObjectID: "j1", Known: true}, nil},
	{"ping", `{"action":"ping","data":{"webhookActionType":"ping"}}`, Webhook{Action: "ping", Ping: true}, nil},
	{
		"ping that says for what", `{"action":"ping","data":{"webhookActionType":"jobPostingUpdate"}}`,
		Webhook{Action: "ping", Ping: true, PingAction: "jobPostingUpdate"},
		nil,
	},
	{"ping without data", `{"action":"ping"}`, Webhook{Action: "ping", Ping: true}, nil},
	{"unwanted", `{"action":"candidateHire","data":{"application":{"id":"a1"}}}`, Webhook{Action: "candidateHire"}, nil},
	{"no object", `{"action":"jobUpdate","data":{}}`, Webhook{Action: "jobUpdate", Kind: KindJob, Known: true}, nil},
	{"null data", `{"action":"jobUpdate","data":null}`, Webhook{Action: "jobUpdate", Kind: KindJob, Known: true}, nil},
	{"data of a wrong type", `{"action":"jobUpdate","data":[1]}`, Webhook{Action: "jobUpdate", Kind: KindJob, Known: true}, nil},
	{"id that is a subject", `{"action":"jobUpdate","data":{"job":{"id":"a.b.>"}}}`, Webhook{Action: "jobUpdate", Kind: KindJob, Known: true}, nil},
	{"id that is a number", `{"action":"jobUpdate","data":{"job":{"id":7}}}`, Webhook{Action: "jobUpdate", Kind: KindJob, Known: true}, nil},
	{
		"id that is too long", `{"action":"jobUpdate","data":{"job":{"id":"` + strings.Repeat("a", 65) + `"}}}`,
		Webhook{Action: "jobUpdate", Kind: KindJob, Known: true},
		nil,
	},
	{"action id with a NUL", `{"action":"jobUpdate","webhookActionId":"a\u0000b","data":{"job":{"id":"j1"}}}`, Webhook{Action: "jobUpdate", Kind: KindJob, ObjectID: "j1", Known: true}, nil},
	// The standard library's decoder does not tell cases apart; a signed body that spells so is Ashby's all the same.
	{"names in another case", `{"Action":"jobUpdate"}`, Webhook{Action: "jobUpdate", Kind: KindJob, Known: true}, nil},
	{"no action", `{"data":{}}`, Webhook{}, ErrNotWebhook},
	{"empty action", `{"action":""}`, Webhook{}, ErrNotWebhook},
	{"action with blanks", `{"action":"job update"}`, Webhook{}, ErrNotWebhook},
	{"action of a wrong type", `{"action":{}}`, Webhook{}, ErrNotWebhook},
	{"no json", `action=ping`, Webhook{}, ErrNotWebhook},
	{"empty", ``, Webhook{}, ErrNotWebhook},
	{"null", `null`, Webhook{}, ErrNotWebhook},
	{"array", `[]`, Webhook{}, ErrNotWebhook},
	{"two documents", `{"action":"ping"}{"action":"ping"}`, Webhook{}, ErrNotWebhook},
}

func TestParseWebhook(t *testing.T) {
	t.Parallel()
	for _, tc := range webhooks {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseWebhook([]byte(tc.body))
			if got != tc.want || !errors.Is(err, tc.err) || tc.err == nil && err != nil {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, tc.want, tc.err)
			}
		})
	}
}

func FuzzParseWebhook(f *testing.F) {
	for _, tc := range webhooks {
		f.Add([]byte(tc.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := ParseWebhook(body)
		if err != nil {
			if !errors.Is(err, ErrNotWebhook) || w != (Webhook{}) {
				t.Fatalf("%+v, %v", w, err)
			}
			return
		}
		if !json.Valid(body) || !plainAction.MatchString(w.Action) {
			t.Fatalf("accepted %q as %+v", body, w)
		}
		for _, id := range []string{w.ActionID, w.ObjectID} {
			if id != "" && !plainID.MatchString(id) {
				t.Fatalf("the id %q got through", id)
			}
		}
		if w.Known != slices.Contains(WebhookActions(), w.Action) || w.Known != (w.Kind != "") || w.Ping && w.Known {
			t.Fatalf("%+v", w)
		}
	})
}

func TestSignature(t *testing.T) {
	t.Parallel()
	// RFC 4231, test case 2.
	body, secret := []byte("what do ya want for nothing?"), Secret("Jefe")
	header := "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	if got := Sign(body, secret); got != header {
		t.Errorf("Sign = %s", got)
	}
	cases := []struct {
		name    string
		body    []byte
		header  string
		secrets []Secret
		want    bool
	}{
		{"right", body, header, []Secret{secret}, true},
		{"previous secret", body, header, []Secret{"current", secret}, true},
		{"current secret", body, header, []Secret{secret, "previous"}, true},
		{"wrong secret", body, header, []Secret{"other"}, false},
		{"no secret", body, header, nil, false},
		{"empty secret", body, Sign(body, ""), []Secret{""}, false},
		{"empty secret among others", body, Sign(body, ""), []Secret{"", secret}, false},
		{"no secret, signed with none", body, Sign(body, ""), nil, false},
		{"another body", []byte("what do ya want for nothing!"), header, []Secret{secret}, false},
		{"empty body", nil, Sign(nil, secret), []Secret{secret}, true},
		{"no header", body, "", []Secret{secret}, false},
		{"no prefix", body, strings.TrimPrefix(header, "sha256="), []Secret{secret}, false},
		{"prefix alone", body, "sha256=", []Secret{secret}, false},
		{"another algorithm", body, strings.Replace(header, "256", "512", 1), []Secret{secret}, false},
		{"cut off", body, header[:len(header)-2], []Secret{secret}, false},
		{"too long", body, header + "00", []Secret{secret}, false},
		{"no hex", body, header[:len(header)-2] + "zz", []Secret{secret}, false},
		{"two values", body, header + ", " + header, []Secret{secret}, false},
	}
	for _, tc := range cases {
		if got := VerifySignature(tc.body, tc.header, tc.secrets...); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	if got := strings.Join(WebhookActions(), " "); got != "jobPostingPublish jobPostingUnpublish jobPostingUpdate jobPostingDelete jobCreate jobUpdate" {
		t.Errorf("actions: %s", got)
	}
	hashes := map[string]Kind{}
	for _, r := range Catalogue() {
		again, ok := ResourceOf(r.Kind)
		if !ok || again.List != r.List || r.Module != "jobs" || r.Scope == "" || r.UIModule == "" || r.Info == "" || r.IDParam == "" {
			t.Errorf("%s: %+v", r.Kind, r)
		}
		hash := ParamsHash(r.Kind)
		if other, taken := hashes[string(hash)]; taken || len(hash) != 32 || string(hash) != string(ParamsHash(r.Kind)) {
			t.Errorf("%s has no hash of its own, %q", r.Kind, other)
		}
		hashes[string(hash)] = r.Kind
		for _, action := range r.Actions {
			body := fmt.Sprintf(`{"action":%q,"data":{"job":{"id":"x"},"jobPosting":{"id":"x"}}}`, action)
			if w, err := ParseWebhook([]byte(body)); err != nil || w.Kind != r.Kind || w.ObjectID != "x" {
				t.Errorf("%s: a webhook names no object of %s: %+v, %v", action, r.Kind, w, err)
			}
		}
	}
	if ParamsHash("nonsense") != nil {
		t.Error("an unknown kind has a hash")
	}
	if _, ok := ResourceOf("nonsense"); ok {
		t.Error("an unknown kind has a resource")
	}
	Catalogue()[0].InfoParams["x"] = 1
	if _, ok := Catalogue()[0].InfoParams["x"]; ok {
		t.Error("the catalogue can be changed from outside")
	}
}
