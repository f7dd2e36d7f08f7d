package syncer

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// slow answers after a while, as Ashby does.
type slow struct {
	h     http.Handler
	takes time.Duration
}

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		rec := httptest.NewRecorder()
		s.h.ServeHTTP(rec, req)
		return rec.Result(), nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// TestChildrenAreReadAtThePaceOfTheKey: what is read per parent is most of what there is to read of candidates. With one
// request at a time it would go as slowly as Ashby answers.
func TestChildrenAreReadAtThePaceOfTheKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l *lab
		l = openLab(t, 5, func(o *Options) {
			pace := ashby.NewPace(900)
			o.NewClient = func(key ashby.Secret) (AshbyClient, error) {
				return ashby.NewClient(ashby.Options{
					BaseURL: labAPI, Key: key, Pace: pace,
					HTTPClient: &http.Client{Transport: slow{l.sim, 500 * time.Millisecond}, Timeout: time.Minute},
				})
			}
		})
		l.org.GenerateCandidates(400)
		l.join("candidates")
		l.sliceNow()
		l.pass(time.Minute)
		from, read := time.Now(), 0
		l.pass(2 * time.Minute)
		for _, r := range l.sim.Requests() {
			_, what, _ := strings.Cut(r.Method, ".")
			if r.At.After(from) && what != "list" && strings.HasPrefix(what, "list") {
				read++
			}
		}
		if pace := read / 2; pace < 500 || pace > 640 {
			t.Errorf("%d requests a minute, of 630 that are allowed", pace)
		}
		l.pass(10 * time.Minute)
		for _, kind := range []ashby.Kind{ashby.KindApplicationHistory, ashby.KindCandidateNote} {
			if len(l.present(kind)) == 0 {
				t.Errorf("no %s was read", kind)
			}
		}
		if got := l.moduleStates()["candidates"]; got.CompleteAt == nil {
			t.Errorf("the module is not complete: %+v", got)
		}
	})
}
