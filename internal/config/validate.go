package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// The bounds of what can be set.
const (
	minPollInterval = time.Minute
	minLeaseTTL     = time.Second
	minAdminToken   = 16
	minConns        = 2
	// ashbyPerMinute is Ashby's published limit for one key.
	ashbyPerMinute = 1000
)

// judge notes what is wrong with the values.
func (c *Config) judge(in *input) {
	in.judge("HTTP_ADDR", wrongAddr(c.HTTPAddr))
	in.judge("ADMIN_ADDR", wrongAddr(c.AdminAddr))
	in.judge("NATS_ADDR", wrongAddr(c.NATSAddr))
	in.judge("PUBLIC_URL", wrongBase(&c.PublicURL, true))
	in.judge("API_URL", wrongBase(&c.APIURL, true))
	if n := len(c.Token.Reveal()); n > 0 && n < minAdminToken {
		in.judge("TOKEN", fmt.Sprintf("has %d characters, fewer than any token: set it to one as `ashbridge tokens create` printed it", n))
	}
	in.judge("ASHBY_URL", wrongBase(&c.AshbyURL, c.AllowPrivateAshby))
	in.judge("DATABASE_URL", wrongDatabaseURL(c.DatabaseURL))
	in.judge("NATS_URL", c.NATSURL.wrong("nats", "tls", "ws", "wss"))
	in.judge("NATS_ISSUER", wrongIssuer(c.NATSIssuer))
	in.judge("NATS_PUBLIC_URL", wrongNATSPublicURL(c.NATSPublicURL))
	in.judge("NATS_REPLICAS", wrongReplicas(c.NATSReplicas))
	in.judge("POLL_INTERVAL", below(c.PollInterval, minPollInterval))
	in.judge("LEASE_TTL", below(c.LeaseTTL, minLeaseTTL))
	in.judge("DATABASE_MAX_CONNS", below(c.DatabaseMaxConns, minConns))
	in.judge("JOBS_MAX_GIB", below(c.JobsMaxGiB, 1))
	in.judge("REQUESTS_PER_MINUTE", below(c.RequestsPerMinute, 1))
	in.judge("METRICS_CONNECTIONS", below(c.MetricsConnections, 0))
	if c.RequestsPerMinute > ashbyPerMinute && !c.AllowPrivateAshby {
		in.judge("REQUESTS_PER_MINUTE", fmt.Sprintf("is %d: Ashby allows %d a minute, set it below that", c.RequestsPerMinute, ashbyPerMinute))
	}
	if n := len(c.AdminToken.Reveal()); n > 0 && n < minAdminToken {
		in.judge("ADMIN_TOKEN", fmt.Sprintf("has %d characters: make one of at least %d, with `openssl rand -hex 32`", n, minAdminToken))
	}
	if _, err := c.Proxies(); err != nil {
		in.judge("TRUSTED_PROXIES", err.Error())
	}
	in.judge("MODULES", wrongModules(c.Modules))
	if c.LogFormat != "text" && c.LogFormat != "json" {
		in.judge("LOG_FORMAT", fmt.Sprintf("is %q: set it to text or json", c.LogFormat))
	}
	if !filepath.IsAbs(c.DataDir) {
		in.judge("DATA_DIR", fmt.Sprintf("is %q: set it to an absolute path", c.DataDir))
	}
}

// judgeNeeds notes what the command needs and nobody gave.
func (c *Config) judgeNeeds(in *input, needs Needs) {
	need := func(bit Needs, given bool, key, advice string) {
		if needs&bit != 0 && !given {
			if in.stopped != "" && bit&(NeedDatabaseURL|NeedNATSURL) != 0 {
				advice = "`ashbridge up` of " + in.stopped + " is not running: start it, or " + advice
			}
			in.judge(key, "is not set: "+advice)
		}
	}
	need(NeedDatabaseURL, c.DatabaseURL != "", "DATABASE_URL",
		"set it, or "+Prefix+"DATABASE_URL_FILE, to the PostgreSQL to use, as postgres://user@host/database?sslmode=verify-full")
	need(NeedNATSURL, c.NATSURL != "", "NATS_URL", "set it to the NATS to use, as nats://host:4222")
	need(NeedKeyset, c.KeysetFile != "", "KEYSET_FILE",
		"set it to the file with the keys that seal secrets, the same for gateway, syncer and notifier; "+
			"`ashbridge keys create FILE` makes one")
	need(NeedAdminToken, c.AdminToken.Reveal() != "", "ADMIN_TOKEN",
		"make one with `openssl rand -hex 32` and set "+Prefix+"ADMIN_TOKEN_FILE to the file that holds it")
	need(NeedToken, c.Bearer().Reveal() != "", "TOKEN", "set it, or "+Prefix+"TOKEN_FILE to the file that holds it, to an API token; "+
		"`ashbridge tokens create` makes one"+c.ownToken())
	need(NeedPublicURL, c.PublicURL != "", "PUBLIC_URL",
		"set it to the address under which Ashby reaches this service, as https://ashbridge.example.com")
}

// Proxies are the networks of TrustedProxies; an address is a network of its own.
func (c *Config) Proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if address, addressErr := netip.ParseAddr(text); addressErr == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("names %q: set it to addresses or networks such as 10.0.0.7 or 10.0.0.0/8, with commas between them", text)
		}
		out = append(out, network.Masked())
	}
	return out, nil
}

// wrongModules says what is wrong with the modules that may be asked for.
func wrongModules(modules []string) string {
	known := ashby.Modules()
	for _, module := range modules {
		if !slices.Contains(known, module) {
			return fmt.Sprintf("names %q: there are %s", module, strings.Join(known, ", "))
		}
	}
	if !slices.Contains(modules, known[0]) {
		return "lacks " + known[0] + ", which every employer has: add it"
	}
	return ""
}

// wrongReplicas says what is wrong with a number of copies: an even one survives no more servers than the odd one below it.
func wrongReplicas(n int) string {
	if n != 1 && n != 3 && n != 5 {
		return fmt.Sprintf("is %d: set it to 1 for a single server, or to 3 or 5 for a cluster of at least as many", n)
	}
	return ""
}

// below says that a value is under its least one.
func below[T time.Duration | int](value, least T) string {
	if value < least {
		return fmt.Sprintf("is %v: set it to at least %v", value, least)
	}
	return ""
}

// wrongAddr says what is wrong with an address to listen on.
func wrongAddr(addr string) string {
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		return fmt.Sprintf("is %q: set it to host:port, as 127.0.0.1:8080 or :8080", addr)
	}
	return ""
}

// wrongBase says what is wrong with the base address of an HTTP service, and takes the slash from its end.
func wrongBase(base *string, plain bool) string {
	if *base == "" {
		return ""
	}
	parsed, err := url.Parse(*base)
	switch {
	case err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https":
		return fmt.Sprintf("is %q: set it to an address such as https://host", *base)
	case parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "":
		return "has a user, a query or a fragment: set it to an address such as https://host without them"
	case parsed.Scheme == "http" && !plain:
		return fmt.Sprintf("is %q: keys may only travel over https; for a simulator set %sALLOW_PRIVATE_ASHBY=true", *base, Prefix)
	}
	*base = strings.TrimRight(*base, "/")
	return ""
}

// wrongDatabaseURL says what is wrong with the address of Postgres, which is one even where it names several hosts.
func wrongDatabaseURL(u URL) string {
	return URL(strings.ReplaceAll(string(u), ",", "-")).wrong("postgres", "postgresql")
}

// wrong says what is wrong with a list of addresses that may hold passwords; the value itself is not repeated.
func (u URL) wrong(schemes ...string) string {
	if u == "" {
		return ""
	}
	for part := range strings.SplitSeq(string(u), ",") {
		parsed, err := url.Parse(strings.TrimSpace(part))
		ok := false
		for _, scheme := range schemes {
			ok = ok || err == nil && parsed.Scheme == scheme
		}
		// A socket's folder may stand in the query instead of a host in its place.
		if !ok || parsed.Host == "" && parsed.Query().Get("host") == "" && parsed.User == nil {
			return fmt.Sprintf("is not an address that begins with %s:// and names a host", schemes[0])
		}
	}
	return ""
}

// wrongIssuer says what is wrong with the key that lets boards in; the value itself is not repeated.
func wrongIssuer(seed ashby.Secret) string {
	if seed == "" {
		return ""
	}
	prefix, _, err := nkeys.DecodeSeed([]byte(seed.Reveal()))
	if err != nil || prefix != nkeys.PrefixByteAccount {
		return "is not the seed of a NATS account, which has 58 characters and begins with SA: make one with `ashbridge keys issuer FILE`"
	}
	return ""
}

// wrongNATSPublicURL says what is wrong with the address that boards are told.
func wrongNATSPublicURL(address string) string {
	if fault := URL(address).wrong("nats", "tls", "ws", "wss"); fault != "" {
		return fault
	}
	if strings.Contains(address, "@") {
		return "has a user in it, and every board is told it: set it to an address such as nats://host:4222"
	}
	return ""
}
