package postgres_test

import (
	"github.com/bebitcoiner/ashbridge/gateway"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/notifier/fleet"
	"github.com/bebitcoiner/ashbridge/notifier/webhook"
	"github.com/bebitcoiner/ashbridge/syncer"
)

// The handles satisfy what the services declare. The package itself imports none of them.
var (
	_ gateway.Connections = postgres.Gateway{}
	_ gateway.Jobs        = postgres.Gateway{}
	_ gateway.Inbox       = postgres.Gateway{}
	_ gateway.Records     = postgres.Gateway{}
	_ gateway.Holds       = postgres.Gateway{}
	_ gateway.Diary       = postgres.Gateway{}
	_ gateway.Settings    = postgres.Gateway{}
	_ gateway.Heart       = postgres.Gateway{}
	_ gateway.Feeds       = postgres.Gateway{}
	_ gateway.Tokens      = postgres.Gateway{}
	_ gateway.Audit       = postgres.Gateway{}
	_ gateway.Subscribers = postgres.Gateway{}
	_ syncer.Leases       = postgres.Syncer{}
	_ syncer.Schedule     = postgres.Syncer{}
	_ syncer.Store        = postgres.Syncer{}
	_ syncer.Progress     = postgres.Syncer{}
	_ notifier.Store      = postgres.Notifier{}
	_ notifier.BoardStore = postgres.Notifier{}
	_ gateway.Receivers   = postgres.Gateway{}
	_ webhook.Store       = postgres.Notifier{}
	_ fleet.Store         = postgres.Notifier{}
)
