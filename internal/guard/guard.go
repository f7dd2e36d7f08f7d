// Package guard keeps requests to addresses that others chose from leading inside: to this machine, its network, or the
// metadata service of its cloud. It looks at the address that a name was resolved to, at the moment of the connection, so
// that no name can lead inside, not even one that changes its mind between a check and its use.
package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrPrivate says that an address is not public.
var ErrPrivate = errors.New("refusing to connect to an address that is not public")

// notPublic are the networks, beside those that package netip knows, which lie inside or nowhere.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),    // behind a provider's address translation
	netip.MustParsePrefix("168.63.129.16/32"), // what Azure's machines ask about themselves
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),        // IPv4 in an older notation
	netip.MustParsePrefix("64:ff9b::/96"), // may translate to any IPv4 address
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"), // tunnels to any IPv4 address
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// Control is a net.Dialer's Control that refuses what is not public with ErrPrivate.
func Control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrPrivate, address)
	}
	if !IsPublic(at.Addr()) {
		return fmt.Errorf("%w: %s", ErrPrivate, at.Addr())
	}
	return nil
}

// IsPublic says whether an address is one of the open internet.
func IsPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
