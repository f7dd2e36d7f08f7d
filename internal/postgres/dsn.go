package postgres

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"
)

// namesSSLMode tells whether a connection string itself chooses its sslmode; the environment does not count.
var namesSSLMode = regexp.MustCompile(`(^|[\s?&])sslmode\s*=`)

// parseURL turns the options into the driver's configuration. Its errors never repeat the URL, which holds a password.
func parseURL(o Options) (pq.Config, error) {
	cfg, err := pq.NewConfig(o.URL)
	if err != nil {
		if bad, ok := errors.AsType[*url.Error](err); ok {
			err = bad.Err
		}
		return pq.Config{}, fmt.Errorf("reading the database URL: %w", err)
	}
	// A statement and its arguments go out together. Apart, as lib/pq sends them by itself, they take two journeys, and
	// PgBouncer in its transaction mode may take them to two servers.
	cfg.BinaryParameters = true
	explicit := namesSSLMode.MatchString(o.URL)
	switch {
	case allLocal(cfg):
		if !explicit {
			cfg.SSLMode = pq.SSLModeDisable
		}
	case !explicit:
		cfg.SSLMode = pq.SSLModeVerifyFull
	case cfg.SSLMode != pq.SSLModeVerifyFull:
		o.Logger.Warn("the connection to the database can be intercepted", "host", cfg.Host, "sslmode", cfg.SSLMode)
	}
	if cfg.ApplicationName == "" {
		cfg.ApplicationName = o.ApplicationName
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = o.ConnectTimeout
	}
	// These travel with the start of a connection; PgBouncer must be told to let them pass (ignore_startup_parameters).
	setDefault(cfg.Runtime, "statement_timeout", milliseconds(o.StatementTimeout))
	setDefault(cfg.Runtime, "idle_in_transaction_session_timeout", milliseconds(o.IdleInTransactionTimeout))
	return cfg, nil
}

func setDefault(m map[string]string, key, value string) {
	if _, ok := m[key]; !ok {
		m[key] = value
	}
}

// milliseconds is how the server takes a timeout. A negative duration means none, which the server spells 0.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(d.Milliseconds(), 0), 10)
}

func allLocal(cfg pq.Config) bool {
	if !isLocal(cfg.Host, cfg.Hostaddr) {
		return false
	}
	for _, m := range cfg.Multi {
		if !isLocal(m.Host, m.Hostaddr) {
			return false
		}
	}
	return true
}

// isLocal says whether a connection to the host stays on this machine.
func isLocal(host string, addr netip.Addr) bool {
	if addr.IsValid() {
		return addr.IsLoopback()
	}
	if host == "" || host == "localhost" || filepath.IsAbs(host) || strings.HasPrefix(host, "@") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
