package app

import (
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/gateway"
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
	return gateway.New(gateway.Options{
		Connections: store, Jobs: store, Records: store, Holds: store, Diary: store, Settings: store, Heart: store,
		Inbox: store, Feeds: store, Bus: p.Bus, Seal: p.Keys,
		Receivers: store, SendWebhook: p.courier().Send, AllowPrivateEndpoints: p.Config.AllowPrivateEndpoints,
		Probe: gateway.AshbyProber{NewClient: newClient},
		Webhooks: func(key ashby.Secret) (gateway.WebhookAdmin, error) {
			client, err := newClient(key)
			if err != nil {
				return nil, err
			}
			return client, nil
		},
		PublicURL: p.Config.PublicURL, AdminToken: p.Config.AdminToken, Modules: p.Config.Modules,
		DefaultPollInterval: p.Config.PollInterval, StopTimeout: p.StopTimeout,
		Logger: p.Log.With("service", "gateway"), Registerer: p.Registry,
	})
}
