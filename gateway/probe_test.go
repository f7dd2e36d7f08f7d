package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// ashbyAnswer is an HTTP answer of an Ashby method.
type ashbyAnswer struct {
	status int
	body   string
}

var (
	fullInfo  = ashbyAnswer{200, `{"success":true,"results":{"title":"Board","scopes":["jobs:read","organization:read","apiKeys:read"]}}`}
	noJobs    = ashbyAnswer{200, `{"success":true,"results":{"title":"Board","scopes":["apiKeys:read"]}}`}
	postings  = ashbyAnswer{200, `{"success":true,"results":[{"id":"p1","title":"Baker","isListed":true},{"id":"p2","title":"Cook","isListed":true}]}`}
	forbidden = ashbyAnswer{403, `{"success":false,"errors":["missing_endpoint_permission"]}`}
	badKey    = ashbyAnswer{403, `{"success":false,"errors":["unknown_key"]}`}
	plain403  = ashbyAnswer{403, `Forbidden`}
	html      = ashbyAnswer{200, `<html>`}
	broken    = ashbyAnswer{500, `{}`}
)

func TestProbeTellsTheKeyFromThePermission(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		info, list ashbyAnswer
		err        error
		ok         bool
		probedBy   string
		ids        string
	}{
		"all granted":                  {fullInfo, postings, nil, true, "apiKey.info", "[p1 p2]"},
		"may not read itself":          {forbidden, postings, nil, true, "jobPosting.list", "[p1 p2]"},
		"may not, in plain words":      {plain403, postings, nil, true, "jobPosting.list", "[p1 p2]"},
		"no jobs":                      {fullInfo, forbidden, nil, false, "apiKey.info", "[]"},
		"no jobs, and so it says":      {noJobs, forbidden, nil, false, "apiKey.info", "[]"},
		"nothing at all":               {forbidden, forbidden, nil, false, "jobPosting.list", "[]"},
		"wrong key":                    {badKey, badKey, ashby.ErrUnauthorized, false, "", ""},
		"disabled between the two":     {fullInfo, badKey, ashby.ErrUnauthorized, false, "", ""},
		"Ashby is down":                {broken, broken, ashby.ErrUnavailable, false, "", ""},
		"Ashby is down for the list":   {fullInfo, broken, ashby.ErrUnavailable, false, "", ""},
		"nonsense":                     {html, postings, ashby.ErrMalformed, false, "", ""},
		"nonsense instead of postings": {fullInfo, html, ashby.ErrMalformed, false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := map[string]ashbyAnswer{"/apiKey.info": c.info, "/jobPosting.list": c.list}[r.URL.Path]
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(a.status)
				_, _ = w.Write([]byte(a.body))
			}))
			t.Cleanup(server.Close)
			p := AshbyProber{NewClient: func(key ashby.Secret) (*ashby.Client, error) {
				return ashby.NewClient(ashby.Options{
					BaseURL: server.URL, Key: key, MaxTries: 1,
					HTTPClient: server.Client(),
				})
			}}
			report, ids, err := p.Probe(t.Context(), goodKey, []string{"jobs"})
			if c.err != nil {
				if !errors.Is(err, c.err) {
					t.Errorf("got %v, want %v", err, c.err)
				}
				return
			}
			if err != nil || report.OK != c.ok || report.ProbedBy != c.probedBy || fmt.Sprint(ids) != c.ids {
				t.Errorf("%v %+v %v", err, report, ids)
			}
		})
	}
}

func TestProbeTriesWhatFurtherModulesNeed(t *testing.T) {
	t.Parallel()
	empty := ashbyAnswer{200, `{"success":true,"results":[],"moreDataAvailable":false}`}
	info := ashbyAnswer{200, `{"success":true,"results":{"title":"Board","scopes":["jobs:read","offers:read","candidates:read"]}}`}
	for name, c := range map[string]struct {
		answers map[string]ashbyAnswer
		err     error
		states  string
	}{
		"the listing counts more than the scopes": {
			map[string]ashbyAnswer{"/apiKey.info": info, "/candidate.list": forbidden, "/candidateTag.list": empty, "/offer.list": empty},
			nil, "candidates:read=missing hiringProcessMetadata:read=granted offers:read=granted",
		},
		"the key may not read itself": {
			map[string]ashbyAnswer{"/apiKey.info": forbidden, "/candidate.list": empty, "/candidateTag.list": forbidden, "/offer.list": empty},
			nil, "candidates:read=granted hiringProcessMetadata:read=missing offers:read=granted",
		},
		"a listing that fails says nothing": {
			map[string]ashbyAnswer{"/apiKey.info": info, "/candidate.list": broken, "/candidateTag.list": html, "/offer.list": broken},
			nil, "candidates:read=granted hiringProcessMetadata:read=missing offers:read=granted",
		},
		"the key is disabled meanwhile": {
			map[string]ashbyAnswer{"/apiKey.info": info, "/candidate.list": empty, "/candidateTag.list": empty, "/offer.list": badKey},
			ashby.ErrUnauthorized, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := c.answers[r.URL.Path]
				if r.URL.Path == "/jobPosting.list" {
					a = postings
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(a.status)
				_, _ = w.Write([]byte(a.body))
			}))
			t.Cleanup(server.Close)
			p := AshbyProber{NewClient: func(key ashby.Secret) (*ashby.Client, error) {
				return ashby.NewClient(ashby.Options{BaseURL: server.URL, Key: key, MaxTries: 1, HTTPClient: server.Client()})
			}}
			report, _, err := p.Probe(t.Context(), goodKey, []string{"candidates", "jobs", "offers"})
			if !errors.Is(err, c.err) || err == nil && !report.OK {
				t.Fatalf("%v %+v", err, report)
			}
			states := map[string]string{}
			for _, permission := range report.Permissions {
				states[permission.Scope] = string(permission.State)
			}
			for want := range strings.FieldsSeq(c.states) {
				scope, state, _ := strings.Cut(want, "=")
				if states[scope] != state {
					t.Errorf("%s is %s, want %s", scope, states[scope], state)
				}
			}
		})
	}
}

// Whatever a module needs beside jobs is tried, so that no permission stays unknown.
func TestEachPermissionHasASample(t *testing.T) {
	t.Parallel()
	for _, module := range ashby.Modules() {
		tried := samples([]string{"jobs", module})
		for _, r := range ashby.Catalogue() {
			if _, ok := tried[r.Scope]; r.Personal && r.In([]string{module}) && r.Scope != postingScope() && !ok {
				t.Errorf("%s of %s has no sample", r.Scope, module)
			}
		}
	}
}
