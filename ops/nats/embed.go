// Package nats holds the configuration of the NATS server that Ashbridge needs, for a server of one's own and for the
// embedded one alike.
package nats

import _ "embed"

// The names of the accounts and of those who log in with a password of the configuration.
const (
	AccountServices = "ASHBRIDGE"
	AccountBoards   = "BOARDS"

	UserAdmin    = "admin"
	UserGateway  = "gateway"
	UserSyncer   = "syncer"
	UserNotifier = "notifier"
)

// Accounts is accounts.conf: who may do what.
//
//go:embed accounts.conf
var Accounts string
