package app

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/gateway"
	"github.com/bebitcoiner/ashbridge/internal/config"
)

// A registration waits for its probe, and a person waits for the registration: few tries, soon given up.
const (
	probeTries   = 2
	probeElapsed = 10 * time.Second
)

// Gateway makes the gateway of this process.
func Gateway(p Parts) (*gateway.Gateway, error) {
	clients := p.ashbyClients(nil)
	newClient := func(key ashby.Secret) (*ashby.Client, error) { return clients.client(key, probeTries, probeElapsed) }
	store := p.DB.Gateway()
	proxies, err := p.Config.Proxies()
	if err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	return gateway.New(gateway.Options{
		Connections: store, Jobs: store, Records: store, Holds: store, Diary: store, Settings: store, Heart: store,
		Inbox: store, Feeds: store, Tokens: store, Audit: store, Bus: p.Bus, Seal: p.Keys,
		Subscribers: store, Boards: p.Bus, NATSIssuer: p.Config.NATSIssuer, NATSURL: natsURL(p.Config),
		Receivers: store, SendWebhook: p.courier().Send, AllowPrivateEndpoints: p.Config.AllowPrivateEndpoints,
		Probe: gateway.AshbyProber{NewClient: newClient},
		Webhooks: func(key ashby.Secret) (gateway.WebhookAdmin, error) {
			client, err := newClient(key)
			if err != nil {
				return nil, err
			}
			return client, nil
		},
		PublicURL: p.Config.PublicURL, AdminToken: p.Config.AdminToken, TrustedProxies: proxies, Modules: p.Config.Modules,
		DefaultPollInterval: p.Config.PollInterval, Notice: p.Notice, StopTimeout: p.StopTimeout,
		Logger: p.Log.With("service", "gateway"), Registerer: p.Registry, Shown: p.Connections,
	})
}

// natsURL is where job boards reach NATS: as it is set, else where the services do, without their credentials.
func natsURL(c config.Config) string {
	if c.NATSPublicURL != "" {
		return c.NATSPublicURL
	}
	var servers []string
	for server := range strings.SplitSeq(c.NATSURL.Reveal(), ",") {
		parsed, err := url.Parse(strings.TrimSpace(server))
		if err != nil {
			continue // it may hold a password
		}
		parsed.User = nil
		servers = append(servers, parsed.String())
	}
	return strings.Join(servers, ",")
}
