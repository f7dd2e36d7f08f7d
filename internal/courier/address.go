package courier

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/guard"
)

// maxURL is how long an address may be.
const maxURL = 2000

// WrongURL says what is wrong with the address of an endpoint, empty where nothing is. A name is looked up only when
// something is sent to it. allowPrivate admits plain http, private addresses and every port.
func WrongURL(raw string, allowPrivate bool) string {
	u, err := url.Parse(raw)
	switch {
	case len(raw) > maxURL:
		return "it must have at most 2000 characters"
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return "it must be an address such as https://board.example.com/hooks"
	case u.User != nil:
		return "it must have no user and no password, which would end up in logs; put a token into the path"
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return "it must have no fragment"
	case u.Scheme == "https", u.Scheme == "http" && allowPrivate:
	default:
		return "it must begin with https://"
	}
	if u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		if err != nil || port < 1 || port > 65535 || !allowPrivate && port != 443 && port < 1024 {
			return "its port must be 443 or one from 1024 on"
		}
	}
	if !allowPrivate && leadsInside(u.Hostname()) {
		return "it leads to an address that is not public"
	}
	return ""
}

// leadsInside says what can be seen before anything is looked up. The guard sees the rest.
func leadsInside(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return !guard.IsPublic(addr)
	}
	// Names without a dot, and numbers in other notations, which some resolvers take for addresses.
	last := host[strings.LastIndexByte(host, '.')+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	return err == nil || last == host || last == "localhost" || last == "local" || last == "internal"
}
