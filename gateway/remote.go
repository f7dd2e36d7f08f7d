package gateway

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// remoteOf is the address that a request comes from: that at the other end of the connection. Anybody can send a header, so
// X-Forwarded-For is believed only as far as trusted proxies wrote it: from its end, up to the first address that is none
// of theirs.
func (g *Gateway) remoteOf(c *fiber.Ctx) netip.Addr {
	address, _ := netip.AddrFromSlice(c.Context().RemoteIP())
	address = address.Unmap()
	if !g.isProxy(address) {
		return address
	}
	var said []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		said = append(said, strings.Split(string(line), ",")...)
	}
	for _, text := range slices.Backward(said) {
		before, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			break
		}
		if address = before.Unmap().WithZone(""); !g.isProxy(address) {
			break
		}
	}
	return address
}

func (g *Gateway) isProxy(address netip.Addr) bool {
	return slices.ContainsFunc(g.opts.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// neighbourhood is whom failures count against: an address, of IPv6 its network, since whoever has one address there has
// 2^64.
func neighbourhood(address netip.Addr) string {
	if !address.Is6() {
		return address.String()
	}
	network, err := address.WithZone("").Prefix(64)
	if err != nil {
		return address.String()
	}
	return network.String()
}
