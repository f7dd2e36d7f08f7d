package guard_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/guard"
)

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"104.18.20.1": true, "2606:4700::6812:1401": true, "8.8.8.8": true, "168.63.129.17": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false,
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fd00::1": false, "0.0.0.0": false, "::": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::a00:1": false, "100.64.0.1": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "198.18.0.1": false, "168.63.129.16": false,
		"::7f00:1": false, "2001:0:4136:e378::1": false, "fec0::1": false, "100.100.100.200": false, "fd00:ec2::254": false,
	} {
		if got := guard.IsPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("IsPublic(%s) = %t", address, got)
		}
		if err := guard.Control("tcp", netip.AddrPortFrom(netip.MustParseAddr(address), 443).String(), nil); (err == nil) != want {
			t.Errorf("Control(%s) = %v", address, err)
		}
	}
	for _, address := range []string{"", "nonsense", "127.0.0.1", "example.com:443"} {
		if err := guard.Control("tcp", address, nil); !errors.Is(err, guard.ErrPrivate) {
			t.Errorf("Control(%q) = %v", address, err)
		}
	}
}
