package ashby

import (
	"encoding/json"
	"errors"
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
	{"unknown", `{"action":"takeHomeAssignmentSubmitted","data":{"application":{"id":"a1"}}}`, Webhook{Action: "takeHomeAssignmentSubmitted"}, nil},
	{
		"transition", `{"action":"interviewPlanTransition","data":{"jobId":"j1","fromInterviewPlan":{"id":"i1"},"toInterviewPlan":{"id":"i2"}}}`,
		Webhook{Action: "interviewPlanTransition", Kind: KindJob, ObjectID: "j1", Known: true},
		nil,
	},
	{
		"merge", `{"action":"candidateMerge","data":{"mergedCandidate":{"id":"c1"},"deletedCandidate":{"id":"c2"}}}`,
		Webhook{Action: "candidateMerge", Kind: KindCandidate, ObjectID: "c2", Known: true},
		nil,
	},
	{
		"hire with an offer", `{"action":"candidateHire","data":{"offer":{"id":"o1"},"application":{"id":"a1"}}}`,
		Webhook{Action: "candidateHire", Kind: KindApplication, ObjectID: "a1", Known: true},
		nil,
	},
	{
		"deleted offer", `{"action":"offerDelete","data":{"offer":{"id":"o1","applicationId":"a1"}}}`,
		Webhook{Action: "offerDelete", Kind: KindOffer, ObjectID: "o1", Known: true},
		nil,
	},
	{
		"signature of an offer", `{"action":"signatureRequestUpdate","data":{"relatedEntityType":"offer","offerId":"o1","offerVersionId":"v1"}}`,
		Webhook{Action: "signatureRequestUpdate", Kind: KindOffer, ObjectID: "o1", Known: true},
		nil,
	},
	{
		"signature of an application", `{"action":"signatureRequestUpdate","data":{"relatedEntityType":"application","applicationId":"a1"}}`,
		Webhook{Action: "signatureRequestUpdate", Kind: KindApplication, ObjectID: "a1", Known: true},
		nil,
	},
	{
		"signature of an offer that does not say so", `{"action":"signatureRequestUpdate","data":{"offerId":"o1","applicationId":"a1"}}`,
		Webhook{Action: "signatureRequestUpdate", Kind: KindOffer, ObjectID: "o1", Known: true},
		nil,
	},
	{
		"signature of nothing", `{"action":"signatureRequestUpdate","data":{"relatedEntityType":"letter"}}`,
		Webhook{Action: "signatureRequestUpdate", Kind: KindApplication, Known: true},
		nil,
	},
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
		if w.Known != slices.Contains(WebhookActions(Modules()...), w.Action) || w.Known != (w.Kind != "") || w.Ping && w.Known {
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

func BenchmarkParseWebhook(b *testing.B) {
	for name, body := range map[string][]byte{
		"posting":     []byte(`{"action":"jobPostingUpdate","webhookActionId":"9c1f3a52-0000-4000-8000-000000000001","data":{"jobPosting":` + listPosting + `}}`),
		"application": []byte(webhookOfApplication()),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if w, err := ParseWebhook(body); err != nil || w.ObjectID == "" {
					b.Fatal(w, err)
				}
			}
		})
	}
}

// webhookOfApplication is a delivery of a usual size, with all that an application holds.
func webhookOfApplication() string {
	field := `{"id":"f1","title":"Notice period","value":["one month","by arrangement"],"valueLabel":"One month"}`
	return `{"action":"candidateHire","webhookActionId":"9c1f3a52-0000-4000-8000-000000000002","data":{"application":{
		"id":"9c1f3a52-0000-4000-8000-000000000003","status":"Hired","candidate":{"id":"c1","name":"Kim"},
		"customFields":[` + strings.Repeat(field+",", 30) + field + `],"job":{"id":"j1","title":"Engineer"}},"offer":{"id":"o1"}}}`
}
