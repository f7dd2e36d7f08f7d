package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// from is the status of GET /v1/whoami from an address of this machine, with what X-Forwarded-For shall say.
func (b *bundle) from(address, token string, forwarded ...string) int {
	b.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://"+b.addr+"/v1/whoami", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header["X-Forwarded-For"] = forwarded
	res, err := client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// A client is told apart by what the proxies that are trusted say of it, and by nothing that it says itself.
func TestForwardedAddressesAreBelievedOfTrustedProxiesAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trusted, from string
		forwarded     []string
		want          string
	}{
		{"", "127.0.0.1", []string{"192.0.2.1"}, "127.0.0.1"},
		{"127.0.0.2/32", "127.0.0.1", []string{"192.0.2.1"}, "127.0.0.1"},
		{"127.0.0.1/32", "127.0.0.1", nil, "127.0.0.1"},
		{"127.0.0.1/32", "127.0.0.1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"127.0.0.1/32", "127.0.0.1", []string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
		{"127.0.0.1/32", "127.0.0.1", []string{"203.0.113.9", "192.0.2.1"}, "192.0.2.1"},
		{"127.0.0.0/8", "127.0.0.1", []string{"203.0.113.9, 192.0.2.1,127.0.0.7"}, "192.0.2.1"},
		{"127.0.0.1/32", "127.0.0.1", []string{"192.0.2.1, nonsense"}, "127.0.0.1"},
		{"127.0.0.1/32", "127.0.0.1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"127.0.0.1/32", "127.0.0.1", []string{"2001:db8::1%eth0"}, "2001:db8::1"},
	} {
		b := setup(t, func(o *Options) {
			if c.trusted != "" {
				o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(c.trusted)}
			}
		})
		reader := b.token(mirror.RoleReadOnly)
		// The refusal of a token that may not is told with the address.
		b.from(c.from, reader.Token, c.forwarded...)
		b.store.change(func() { b.store.tokens[0].Role = "none" })
		b.clock.add(tokenFresh)
		b.from(c.from, reader.Token, c.forwarded...)
		acts := b.store.actsNow()
		if got := acts[len(acts)-1].Remote; got != c.want {
			t.Errorf("%+v: comes from %s", c, got)
		}
	}
}

func TestFailuresCountAgainstWholeNetworks(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := neighbourhood(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
