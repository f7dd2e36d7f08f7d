package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// admin runs the admin listener of a service whose only check gives err, and returns its address.
func admin(t *testing.T, err error) string {
	t.Helper()
	a, newErr := telemetry.NewAdmin(telemetry.AdminOptions{
		Gatherer: telemetry.NewRegistry(),
		Ready:    []telemetry.Check{{Name: "postgres", Run: func(context.Context) error { return err }}},
	})
	if newErr != nil {
		t.Fatal(newErr)
	}
	ln, listenErr := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if listenErr != nil {
		t.Fatal(listenErr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func TestHealthAsksTheAdminListener(t *testing.T) {
	t.Parallel()
	well, ill := admin(t, nil), admin(t, net.ErrClosed)
	_, port, err := net.SplitHostPort(well)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string // part of the error, empty for none
	}{
		"ready":                    {[]string{"--admin-addr", well}, ""},
		"listens everywhere":       {[]string{"--admin-addr", "0.0.0.0:" + port}, ""},
		"listens on a port":        {[]string{"--admin-addr", ":" + port}, ""},
		"another address":          {[]string{"--url", "http://" + well + "/livez"}, ""},
		"not ready":                {[]string{"--admin-addr", ill}, `"postgres":"failed"`},
		"a page that is not there": {[]string{"--url", "http://" + well + "/nothing"}, "answers 404"},
		"nobody there":             {[]string{"--admin-addr", "127.0.0.1:1"}, "asking for health"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errOut strings.Builder
			root := newRoot(&out, &errOut)
			root.SetArgs(append([]string{"health"}, c.args...))
			err := root.ExecuteContext(t.Context())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("health %v: %v, want %q", c.args, err, c.want)
			}
		})
	}
}
