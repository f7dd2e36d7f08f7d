package ashby

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

func TestTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		as := func(id string, of reply) reply {
			of.header = map[string]string{"x-ashby-request-id": id}
			return of
		}
		s := &script{answers: []reply{
			as("OK1", good), as("BAD1", reply{status: 500}), as("BAD2", reply{status: 503}), as("OK2", good),
			as("not an id", good), as(testKey.Reveal()+" ", good),
			{status: 200, body: `{"success":false,"errorInfo":{"code":"teapot","message":"x","requestId":"BAD3"}}`},
		}}
		c := s.client(t, nil)
		var trace, outer Trace
		ctx := WithTrace(WithTrace(t.Context(), &outer), &trace)
		for range 4 {
			if _, err := c.APIKeyInfo(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.APIKeyInfo(ctx); err == nil {
			t.Fatal("no error")
		}
		if got := strings.Join(trace.RequestIDs(), " "); got != "BAD1 BAD2 BAD3 OK1 OK2" || trace.Requests() != 7 {
			t.Errorf("%d requests, ids %s", trace.Requests(), got)
		}
		if trace.Failures() != 3 {
			t.Errorf("%d failures", trace.Failures())
		}
		if outer.Requests() != 0 {
			t.Error("an outer trace saw requests of an inner one")
		}
	})
}

func TestAnswersAreNoFailures(t *testing.T) {
	t.Parallel()
	var trace Trace
	for _, err := range []error{nil, ErrNotFound, ErrRestart, ErrRateLimited, context.Canceled, ErrUnauthorized} {
		trace.note(answer{}, err)
	}
	if trace.Failures() != 2 || trace.Requests() != 6 {
		t.Errorf("%d failures of %d requests", trace.Failures(), trace.Requests())
	}
}

func TestTraceKeepsFew(t *testing.T) {
	t.Parallel()
	var trace Trace
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			trace.note(answer{requestID: fmt.Sprint("G", i)}, nil)
			if i%10 == 0 {
				trace.note(answer{}, &APIError{Reason: ErrUnavailable, RequestID: fmt.Sprint("F", i)})
			}
		})
	}
	wg.Wait()
	ids := trace.RequestIDs()
	if len(ids) != 20 || trace.Requests() != 110 {
		t.Fatalf("%d ids of %d requests", len(ids), trace.Requests())
	}
	for i, id := range ids {
		if (i < 10) != strings.HasPrefix(id, "F") {
			t.Errorf("ids %v", ids)
		}
	}
}
