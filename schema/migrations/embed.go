// Package migrations embeds the SQL that builds Ashbridge's tables, in goose's format.
package migrations

import "embed"

// FS holds the numbered migration files.
//
//go:embed *.sql
var FS embed.FS
