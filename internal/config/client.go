package config

import (
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// forClients are the settings that matter to a command that asks the gateway.
var forClients = []string{"API_URL", "TOKEN", "ADMIN_TOKEN", "PUBLIC_URL", "HTTP_ADDR"}

// RegisterClientFlags adds the flags of a command that asks the gateway: --api-url, which --api stands for too, and
// --token-file, with those of more settings by their names without the prefix. The other settings that such a command reads
// are flags as well, and left out of its help.
func RegisterClientFlags(flags *pflag.FlagSet, more ...string) {
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "api" {
			name = "api-url"
		}
		return pflag.NormalizedName(name)
	})
	register(flags, slices.DeleteFunc(settings(), func(s setting) bool {
		return !slices.Contains(forClients, s.key) && !slices.Contains(more, s.key)
	}))
	for _, name := range []string{"admin-token-file", "public-url", "http-addr"} {
		flags.Lookup(name).Hidden = true
	}
}

// Address is where a command finds the gateway: API_URL, else PUBLIC_URL, else the address that a gateway on this machine
// listens on. It has no slash at its end.
func (c Config) Address() string {
	if c.APIURL != "" {
		return c.APIURL
	}
	if c.PublicURL != "" {
		return c.PublicURL
	}
	host, port, err := net.SplitHostPort(c.HTTPAddr)
	if err != nil { // Load has refused it
		return "http://" + c.HTTPAddr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Bearer is the token with which a command asks the gateway, empty where there is none.
func (c Config) Bearer() ashby.Secret {
	if c.Token.Reveal() != "" {
		return c.Token
	}
	return c.AdminToken
}

// ownToken names the file in which `ashbridge up` on this machine keeps its token, as the rest of a sentence; empty where
// there is none. It is not read unasked: who listens at the address now need not be who made it.
func (c Config) ownToken() string {
	for _, dir := range []string{c.DataDir, filepath.Join(c.DataDir, DemoName)} {
		file := filepath.Join(dir, "admin-token")
		if _, err := os.Stat(file); err == nil {
			return ", and that of `ashbridge up` is in " + file
		}
	}
	return ""
}
