package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// URL is an address that may hold a password. Wherever it is printed, the password is masked; Reveal gives it whole.
// Several addresses may stand in it with commas between them, as NATS takes them.
type URL string

// Reveal is the address with its password, for the one place that connects.
func (u URL) Reveal() string { return string(u) }

// String is the address without its password.
func (u URL) String() string {
	parts := strings.Split(string(u), ",")
	for i, part := range parts {
		parts[i] = redact(part)
	}
	return strings.Join(parts, ",")
}

// Format prints String for every verb, %x and %#v among them.
func (u URL) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, u.String()) }

// MarshalText is String, so that JSON shows no password either.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue is String, for slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// redact masks what is secret in one address. One that cannot be read is masked whole.
func redact(raw string) string {
	if raw == "" {
		return ""
	}
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Scheme == "" || parsed.Opaque != "" {
		return "[redacted]"
	}
	if parsed.User != nil {
		if _, has := parsed.User.Password(); has {
			parsed.User = url.UserPassword(parsed.User.Username(), "redacted")
		} else if parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" {
			// NATS takes a lone name in this place as a token.
			parsed.User = url.User("redacted")
		}
	}
	query := parsed.Query()
	for name := range query {
		if strings.Contains(name, "password") {
			query.Set(name, "redacted")
			parsed.RawQuery = query.Encode()
		}
	}
	return parsed.String()
}
