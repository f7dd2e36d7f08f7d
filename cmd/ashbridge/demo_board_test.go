package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/jobfeed"
)

func TestTheDemosBoardSubscribes(t *testing.T) {
	t.Parallel()
	const subscriber = `{"id":"sub_1","name":"the demo's job board","url":"nats://n:1","user":"sub_1-1","password":"secret"}`
	asSubscriber := jobfeed.Options{URL: "nats://n:1", User: "sub_1-1", Password: "secret"}
	type answers map[string]struct {
		status int
		body   string
	}
	const list, rotate, replay = "GET /v1/subscribers", "POST /v1/subscribers/sub_1/rotate", "POST /v1/subscribers/sub_1/replay"
	for name, c := range map[string]struct {
		answers answers
		want    jobfeed.Options
		asked   []string
	}{
		"for the first time": {
			answers{list: {200, `{"subscribers":[{"id":"sub_2","name":"another"}]}`}, "POST /v1/subscribers": {201, subscriber}},
			asSubscriber,
			[]string{list, `POST /v1/subscribers {"name":"the demo's job board"}`},
		},
		"again": {
			answers{list: {200, `{"subscribers":[{"id":"sub_1","name":"the demo's job board"}]}`}, rotate: {200, subscriber}, replay: {200, `{}`}},
			asSubscriber,
			[]string{list, rotate, replay + ` {"snapshot":true}`},
		},
		"without an issuer":  {answers{list: {409, `{"type":"no-issuer"}`}}, jobfeed.Options{URL: "nats://all"}, []string{list}},
		"refused":            {answers{list: {401, `{}`}}, jobfeed.Options{}, []string{list}},
		"replay not granted": {answers{list: {200, `{"subscribers":[` + subscriber + `]}`}, rotate: {200, subscriber}, replay: {503, `{}`}}, jobfeed.Options{}, []string{list, rotate, replay + ` {"snapshot":true}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				what := r.Method + " " + r.URL.Path
				a, ok := c.answers[what]
				if !ok {
					t.Errorf("%s was asked", what)
				}
				if body, _ := io.ReadAll(r.Body); len(body) > 0 {
					what += " " + string(body)
				}
				asked = append(asked, what)
				w.WriteHeader(a.status)
				_, _ = io.WriteString(w, a.body)
			}))
			defer server.Close()
			got, err := (&demoBoard{nats: "nats://all"}).subscribe(t.Context(), apiclient.New(apiclient.Options{Base: server.URL, Token: "token"}))
			if !slices.Equal(asked, c.asked) {
				t.Errorf("asked were %q", asked)
			}
			if isWanted := c.want.URL != ""; (err == nil) != isWanted {
				t.Errorf("error %v", err)
			} else if isWanted && (got.URL != c.want.URL || got.User != c.want.User || got.Password != c.want.Password) {
				t.Errorf("%+v", got)
			}
		})
	}
}
