package app

import (
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/notifier/webhook"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Notifier makes the notifier of this process. published, if given, hears of each event after NATS acknowledged it.
func Notifier(p Parts, published func(events.Event, mirror.Outgoing)) (*notifier.Notifier, error) {
	return notifier.New(notifier.Options{
		Store: p.DB.Notifier(), Bus: p.Bus, Owner: p.Owner, LeaseTTL: p.Config.LeaseTTL,
		Records: p.Config.RecordEvents, RecordStore: p.DB.Notifier(), BoardStore: p.DB.Notifier(),
		Fleet: p.DB.Notifier(), Connections: p.Connections,
		Logger: p.Log.With("service", "notifier"), Registerer: p.Registry, OnPublished: published,
	})
}

// Webhooks makes what sends webhooks to endpoints; it runs beside the notifier.
func Webhooks(p Parts) (*webhook.Sender, error) {
	return webhook.New(webhook.Options{
		Store: p.DB.Notifier(), Send: p.courier().Send, Open: p.Keys.Open, OnWake: p.Bus.OnWakeWebhooks,
		Owner: p.Owner, LeaseTTL: p.Config.LeaseTTL,
		Logger: p.Log.With("service", "webhooks"), Registerer: p.Registry,
	})
}
