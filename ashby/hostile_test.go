package ashby

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// mebibyte is a gzip file that inflates to 1 MiB of blanks. Such files may follow one another in one body.
func mebibyte() []byte {
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	_, _ = z.Write(bytes.Repeat([]byte{' '}, 1<<20))
	_ = z.Close()
	return member.Bytes()
}

func TestEndlessBombIsReadToTheCapAlone(t *testing.T) {
	t.Parallel()
	member, done := mebibyte(), make(chan struct{})
	var members atomic.Int64
	c := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		for {
			if _, err := w.Write(member); err != nil {
				return
			}
			members.Add(1)
		}
	}, nil)
	_, err := c.Info(t.Context(), KindJob, "j1")
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "32 MiB") {
		t.Errorf("err = %v", err)
	}
	<-done // the connection is cut, so that the server ends too
	t.Logf("%d KiB were sent before the connection was cut", int(members.Load())*len(member)>>10)
}

func TestSlowBodyIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{
		"headers alone": "", "a part": `{"success":true,"results":`, "all but the end": `{"success":true,"results":{"id":"j1","confidential":false}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				says(200, first)(w, r)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}, func(o *Options) { o.HTTPClient.Timeout = 100 * time.Millisecond })
			_, err := c.Info(t.Context(), KindJob, "j1")
			failure, ok := errors.AsType[*APIError](err)
			if !ok || !errors.Is(err, ErrUnavailable) || failure.Status != 200 || t.Context().Err() != nil {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestCompressedAnswerThatIsCutOffIsUnavailable(t *testing.T) {
	t.Parallel()
	var whole bytes.Buffer
	z := gzip.NewWriter(&whole)
	_, _ = io.WriteString(z, `{"success":true,"results":{"id":"j1","confidential":false}}`)
	_ = z.Close()
	for cut := range whole.Len() {
		_, err := newTestClient(t, encoded(200, "gzip", string(whole.Bytes()[:cut])), nil).Info(t.Context(), KindJob, "j1")
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("cut off after %d bytes: %v", cut, err)
		}
	}
	if _, err := newTestClient(t, encoded(200, "gzip", whole.String()), nil).Info(t.Context(), KindJob, "j1"); err != nil {
		t.Errorf("whole: %v", err)
	}
}

func TestUnknownFieldsAndValuesAreNoErrors(t *testing.T) {
	t.Parallel()
	body := `{"success":true,"new":{"x":[1]},"warnings":["deprecated"],"errors":null,"errorInfo":null,"syncToken":7,
		"results":{"id":"j1","confidential":false,"status":"Dormant","employmentType":null,"shiny":{"a":[{}]},"updatedAt":"soon"}}`
	r, err := newTestClient(t, says(200, body), nil).Info(t.Context(), KindJob, "j1")
	if err != nil || r.UpdatedAt != nil || !strings.Contains(string(r.Raw), `"shiny"`) {
		t.Fatalf("%s, %v", r.Raw, err)
	}
	if job, err := DecodeJob(r.Raw); err != nil || job.Status != "Dormant" {
		t.Errorf("%+v, %v", job, err)
	}
}

// BenchmarkBomb says how much memory an answer takes that inflates beyond the cap.
func BenchmarkBomb(b *testing.B) {
	body := bytes.Repeat(mebibyte(), 64)
	transport := answering(func(r *http.Request) *http.Response {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(z), Request: r}
	})
	c, err := NewClient(Options{Key: testKey, HTTPClient: &http.Client{Transport: transport}, Pace: NewPace(1e6), MaxTries: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.APIKeyInfo(b.Context()); !errors.Is(err, ErrMalformed) {
			b.Fatal(err)
		}
	}
}

type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }
