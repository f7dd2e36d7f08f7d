// Package app puts the parts together: it hands each service the store, the bus and the secrets that it declares. The
// command runs what is made here, and so do the whole-system tests.
package app

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// Parts is what the services of one process share.
type Parts struct {
	Config   config.Config
	DB       *postgres.DB
	Bus      *bus.Bus
	Keys     *seal.Keyset
	Log      *slog.Logger
	Registry *prometheus.Registry
	// Connections bounds which connections have series of their own; nil for none.
	Connections *telemetry.Bounded
	// Owner names this process in leases; no two processes that run at the same time may share it.
	Owner string
	// Notice is how long the gateway goes on serving, not ready any more, when it is told to end.
	Notice time.Duration
	// StopTimeout bounds how long the gateway waits for requests in flight when it stops; its default where zero.
	StopTimeout time.Duration
}

// courier posts webhooks to endpoints.
func (p Parts) courier() *courier.Courier {
	return courier.New(courier.Options{AllowPrivate: p.Config.AllowPrivateEndpoints})
}

// ashbyClients makes Ashby clients that share connections and, where their keys name the same integration partner, the
// partner's brake.
type ashbyClients struct {
	config  config.Config
	http    *http.Client
	brake   *ashby.Brake
	observe func(method, outcome string, d time.Duration)
}

func (p Parts) ashbyClients(observe func(method, outcome string, d time.Duration)) *ashbyClients {
	return &ashbyClients{
		config: p.Config, http: ashby.DefaultHTTPClient(p.Config.AllowPrivateAshby), brake: &ashby.Brake{}, observe: observe,
	}
}

// partnerHolds is 1 while the partner's brake holds.
func (c *ashbyClients) partnerHolds() float64 {
	if c.brake.Holds() {
		return 1
	}
	return 0
}

// client makes a client with a pace of its own.
func (c *ashbyClients) client(key ashby.Secret, tries int, elapsed time.Duration) (*ashby.Client, error) {
	return ashby.NewClient(ashby.Options{
		BaseURL:      c.config.AshbyURL,
		Key:          key,
		HTTPClient:   c.http,
		Pace:         ashby.NewPace(c.config.RequestsPerMinute),
		MaxTries:     tries,
		MaxElapsed:   elapsed,
		PartnerBrake: c.brake,
		Observe:      c.observe,
	})
}
