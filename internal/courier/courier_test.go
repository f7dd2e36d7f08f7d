package courier_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/courier"
)

const body = `{"specversion":"1.0","id":"e1","data":{"title":"Ingénieur <b>"}}`

// board is a board's server with a certificate of its own.
func board(t *testing.T, h http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, pool
}

func carry(t *testing.T, o courier.Options) *courier.Courier {
	t.Helper()
	c := courier.New(o)
	t.Cleanup(c.Close)
	return c
}

func message(url string, secrets ...ashby.Secret) courier.Message {
	if len(secrets) == 0 {
		secrets = []ashby.Secret{courier.NewSecret()}
	}
	return courier.Message{URL: url, ID: "e1", Body: []byte(body), Secrets: secrets}
}

func TestMessageIsSignedByTheStandard(t *testing.T) {
	t.Parallel()
	old, current := courier.NewSecret(), courier.NewSecret()
	var header http.Header
	var got []byte
	s, pool := board(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		got, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	r := carry(t, courier.Options{AllowPrivate: true, RootCAs: pool}).Send(t.Context(), message(s.URL+"/hooks?token=x", current, old))
	if !r.Delivered() || r.Status != http.StatusAccepted || r.Detail != "" || r.Answer != "" {
		t.Fatalf("%+v", r)
	}
	if string(got) != body {
		t.Errorf("the body came as %s", got)
	}
	for name, want := range map[string]string{
		"webhook-id": "e1", "Content-Type": "application/cloudevents+json", "User-Agent": "Ashbridge-Webhooks/1",
	} {
		if header.Get(name) != want {
			t.Errorf("%s is %q", name, header.Get(name))
		}
	}
	if n := len(strings.Split(header.Get("webhook-signature"), " ")); n != 2 {
		t.Errorf("%d signatures", n)
	}
	for name, secret := range map[string]ashby.Secret{"the current": current, "the old": old} {
		wh, err := standardwebhooks.NewWebhook(secret.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(got, header); err != nil {
			t.Errorf("with %s secret: %v", name, err)
		}
	}
	other, _ := standardwebhooks.NewWebhook(courier.NewSecret().Reveal())
	if other.Verify(got, header) == nil {
		t.Error("any secret fits")
	}
}

// The example of the specification's own tests, computed there.
func TestSignatureIsThatOfTheSpecification(t *testing.T) {
	t.Parallel()
	var header http.Header
	s, pool := board(t, func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Clone() })
	c := carry(t, courier.Options{
		AllowPrivate: true, RootCAs: pool, Now: func() time.Time { return time.Unix(1614265330, 0) },
	})
	r := c.Send(t.Context(), courier.Message{
		URL: s.URL, ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Body: []byte(`{"test": 2432232314}`),
		Secrets: []ashby.Secret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
	})
	if got := header.Get("webhook-signature"); !r.Delivered() || got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s, %+v", got, r)
	}
	if header.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("timestamp %s", header.Get("webhook-timestamp"))
	}
}

func TestAnswersAndWhatTheyMean(t *testing.T) {
	t.Parallel()
	var followed atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(inside.Close)
	answer := func(status int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "  <h1>Sorry</h1>\n\x00\x07 we are\u202e closed"+strings.Repeat("!", 1000))
		}
	}
	for name, tt := range map[string]struct {
		h      http.HandlerFunc
		status int
		word   string
		after  time.Duration
	}{
		"taken":         {answer(200), 200, "", 0},
		"an odd 2xx":    {answer(299), 299, "", 0},
		"a redirect":    {answer(307, "Location", inside.URL), 307, courier.ErrorRedirect, 0},
		"not modified":  {answer(304), 304, courier.ErrorRedirect, 0},
		"refused":       {answer(400), 400, courier.ErrorRefused, 0},
		"gone":          {answer(410), 410, courier.ErrorGone, 0},
		"too many":      {answer(429, "Retry-After", "120"), 429, courier.ErrorThrottled, 2 * time.Minute},
		"bad gateway":   {answer(502), 502, courier.ErrorThrottled, 0},
		"down, a date":  {answer(503, "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), 503, courier.ErrorThrottled, time.Hour},
		"slow upstream": {answer(504, "Retry-After", "soon"), 504, courier.ErrorThrottled, 0},
		"an error":      {answer(500, "Retry-After", "-5"), 500, courier.ErrorServer, 0},
		"a huge answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			for range 1 << 10 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, 418, courier.ErrorRefused, 0},
		"no end": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, 200, "", 0},
		"silence": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			<-r.Context().Done()
		}, 0, courier.ErrorTimeout, 0},
		"a reset": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		}, 0, courier.ErrorConnection, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := board(t, tt.h)
			c := carry(t, courier.Options{AllowPrivate: true, RootCAs: pool, Timeout: 2 * time.Second})
			r := c.Send(t.Context(), message(s.URL))
			if r.Status != tt.status || r.Error != tt.word || r.Delivered() != (tt.word == "") || (r.Detail == "") != (tt.word == "") {
				t.Errorf("%+v", r)
			}
			if d := tt.after - r.RetryAfter; d < 0 || d > 10*time.Second {
				t.Errorf("retry after %s", r.RetryAfter)
			}
			if r.Error == courier.ErrorRefused && r.Status == 400 && (!strings.HasPrefix(r.Answer, "<h1>Sorry</h1> \uFFFD\uFFFD we are\uFFFD closed!") || len([]rune(r.Answer)) != 200) {
				t.Errorf("answer %q", r.Answer)
			}
			if r.Delivered() && r.Answer != "" {
				t.Errorf("answer %q is kept", r.Answer)
			}
		})
	}
	t.Cleanup(func() {
		if followed.Load() != 0 {
			t.Error("a redirect was followed")
		}
	})
}

func TestNothingLeadsInside(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s, pool := board(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	c := carry(t, courier.Options{RootCAs: pool, Resolver: names(t, "127.0.0.1")})
	// The name looks like any other; only its address shows where it leads.
	r := c.Send(t.Context(), message("https://hooks.board.example:"+port+"/x"))
	if r.Error != courier.ErrorPrivate || strings.Contains(r.Detail, "127.0.0.1") {
		t.Errorf("%+v", r)
	}
	if r := c.Send(t.Context(), message(s.URL)); r.Error != courier.ErrorAddress {
		t.Errorf("%+v", r)
	}
	if calls.Load() != 0 {
		t.Error("the server inside was called")
	}
	// The same with the guard down: the test would notice a call.
	open := carry(t, courier.Options{AllowPrivate: true, RootCAs: pool, Resolver: names(t, "127.0.0.1")})
	if r := open.Send(t.Context(), message("https://example.com:"+port)); !r.Delivered() || calls.Load() != 1 {
		t.Errorf("%+v after %d calls", r, calls.Load())
	}
}

// names is a resolver for which every name has the one address, as a DNS server of an attacker's could say.
func names(t *testing.T, address string) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() { // ends with the socket
		packet := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(reply(packet[:n], address), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// reply answers a question for an A record with the address, any other with nothing.
func reply(query []byte, address string) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[12 : end+5]
	isA := query[end+1] == 0 && query[end+2] == 1
	out := append([]byte{}, query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	out = append(out, question...)
	if isA {
		out[7] = 1
		out = append(out, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, net.ParseIP(address).To4()...)
	}
	return out
}

func TestConnectionsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	_ = ln.Close()
	s, pool := board(t, func(http.ResponseWriter, *http.Request) {})
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	trusting := carry(t, courier.Options{AllowPrivate: true, RootCAs: pool})
	for name, tt := range map[string]struct {
		c    *courier.Courier
		url  string
		word string
	}{
		"nobody listens":       {trusting, "https://" + closed, courier.ErrorConnect},
		"an unknown authority": {carry(t, courier.Options{AllowPrivate: true}), s.URL, courier.ErrorTLS},
		"another name":         {trusting, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), courier.ErrorTLS},
		"no TLS at all":        {trusting, strings.Replace(plain.URL, "http:", "https:", 1), courier.ErrorConnection},
		"no such name":         {trusting, "https://nowhere.invalid", courier.ErrorName},
		"no address":           {trusting, "https://", courier.ErrorAddress},
	} {
		if r := tt.c.Send(t.Context(), message(tt.url)); r.Error != tt.word || r.Status != 0 || strings.Contains(r.Detail, tt.url) && tt.url != "https://" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for name, secrets := range map[string][]ashby.Secret{"broken": {"whsec_!"}, "short": {"whsec_QUJD"}} {
		if r := trusting.Send(t.Context(), message(s.URL, secrets...)); r.Error != courier.ErrorAddress {
			t.Errorf("with a %s secret: %+v", name, r)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := trusting.Send(ctx, message(s.URL)); r.Delivered() {
		t.Errorf("cancelled: %+v", r)
	}
}

func TestWrongURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"https://board.example.com": true, "https://board.example.com/hooks?x=1": true, "https://board.example.com:443/": true,
		"https://board.example.com:8443/": true, "https://93.184.215.14/": true, "https://[2606:4700::1]/": true, "https://bücher.example/": true,
		"http://board.example.com": false, "ftp://board.example.com": false, "https://": false, "board.example.com": false, "": false,
		"https://u:p@board.example.com": false, "https://u@board.example.com": false, "https://board.example.com/#x": false,
		"https://board.example.com:22/": false, "https://board.example.com:80/": false, "https://board.example.com:0/": false,
		"https://board.example.com:99999/": false, "https://localhost/": false, "https://LOCALHOST./": false, "https://a.localhost/": false,
		"https://metadata/": false, "https://metadata.google.internal/": false, "https://printer.local/": false,
		"https://127.0.0.1/": false, "https://10.0.0.1/": false, "https://[::1]/": false, "https://[::ffff:10.0.0.1]/": false,
		"https://169.254.169.254/": false, "https://2130706433/": false, "https://0x7f000001/": false, "https://127.1/": false,
		"https://0177.0.0.1/": false, "https://[fe80::1%25eth0]/": false, "https:board.example.com": false,
		"https://board.example.com/" + strings.Repeat("x", 2000): false,
	} {
		if got := courier.WrongURL(raw, false); (got == "") != want {
			t.Errorf("%s: %q", raw, got)
		}
	}
	for raw, want := range map[string]bool{
		"http://127.0.0.1:8080/": true, "https://localhost:22": true, "ftp://localhost": false, "http://u:p@localhost": false,
	} {
		if got := courier.WrongURL(raw, true); (got == "") != want {
			t.Errorf("private allowed, %s: %q", raw, got)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	if a, b := courier.NewSecret(), courier.NewSecret(); a == b || courier.WrongSecret(a) != "" || fmt.Sprint(a) != "[redacted]" {
		t.Error("a new secret is not new, not a secret, or not secret")
	}
	encoded := func(n int) ashby.Secret {
		return ashby.Secret("whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)))
	}
	for s, want := range map[ashby.Secret]bool{
		encoded(24): true, encoded(64): true, encoded(23): false, encoded(65): false, "whsec_": false, "": false,
		encoded(32)[6:]: false, "whsec_***": false, encoded(32) + "\n": true,
	} {
		if got := courier.WrongSecret(s); (got == "") != want {
			t.Errorf("%s: %q", s.Reveal(), got)
		}
	}
}
