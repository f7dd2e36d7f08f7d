package app

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/markup"
	"github.com/bebitcoiner/ashbridge/syncer"
)

// A refresh or poll can wait: a hint is delivered again, the schedule comes round.
const (
	readTries   = 4
	readElapsed = time.Minute
)

// Syncer makes the syncer of this process.
func Syncer(p Parts) (*syncer.Syncer, error) {
	metrics, err := syncer.NewMetrics(p.Registry, p.Connections)
	if err != nil {
		return nil, err
	}
	clients := p.ashbyClients(metrics.ObserveRequest)
	if err := p.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ashbridge_syncer_partner_brake",
		Help: "1 while a 429 of Ashby's to an integration partner holds back the requests of all its keys, else 0.",
	}, clients.partnerHolds)); err != nil {
		return nil, fmt.Errorf("registering the partner's brake: %w", err)
	}
	store := p.DB.Syncer()
	return syncer.New(syncer.Options{
		Leases: store, Schedule: store, Store: store, Progress: store, Passes: store, Slices: store, Diary: store,
		Bus: p.Bus, Seal: p.Keys, Cleaner: markup.New(),
		NewClient: func(key ashby.Secret) (syncer.AshbyClient, error) {
			return clients.client(key, readTries, readElapsed)
		},
		Owner: p.Owner, LeaseTTL: p.Config.LeaseTTL,
		Logger: p.Log.With("service", "syncer"), Metrics: metrics,
	})
}
