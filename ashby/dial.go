package ashby

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/guard"
)

// DefaultHTTPClient returns a client that follows no redirect, gives up after 60 s and keeps connections open. Unless
// allowPrivate, it refuses to connect to an address that is not public with ErrPrivateAddress; the address is looked at
// after the name was resolved, so that no name can lead inside. A proxy from the environment is used, and its address
// is held to the same rule.
func DefaultHTTPClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if !allowPrivate {
		dialer.Control = guard.Control
	}
	return &http.Client{
		Timeout:       60 * time.Second,
		CheckRedirect: noRedirect,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  45 * time.Second,
			IdleConnTimeout:        90 * time.Second,
			MaxIdleConns:           200,
			MaxIdleConnsPerHost:    32,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
	}
}

// noRedirect makes a redirect an answer like any other, which is then refused: Ashby's API has none.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
