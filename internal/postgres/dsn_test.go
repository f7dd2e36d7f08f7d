package postgres

import (
	"log/slog"
	"testing"

	"github.com/lib/pq"
)

func TestSSLMode(t *testing.T) {
	t.Setenv("PGSSLMODE", "disable")
	for _, c := range []struct {
		url  string
		want pq.SSLMode
	}{
		{"postgres://u@localhost/db", pq.SSLModeDisable},
		{"postgres://u@127.0.0.1/db", pq.SSLModeDisable},
		{"postgres:///db?host=/tmp", pq.SSLModeDisable},
		{"postgres://u@localhost/db?sslmode=verify-full", pq.SSLModeVerifyFull},
		{"postgres://u@db.example.com/db", pq.SSLModeVerifyFull},
		{"postgres://u@db.example.com/db?application_name=x&sslmode=require", pq.SSLModeRequire},
		{"host=db.example.com dbname=db", pq.SSLModeVerifyFull},
		{"host=db.example.com dbname=db sslmode=disable", pq.SSLModeDisable},
		{"host=localhost,db.example.com dbname=db", pq.SSLModeVerifyFull},
		{"postgres://u@10.0.0.7/db", pq.SSLModeVerifyFull},
	} {
		o, err := Options{URL: c.url, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := parseURL(o)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if cfg.SSLMode != c.want {
			t.Errorf("%s: sslmode %q, want %q", c.url, cfg.SSLMode, c.want)
		}
		if !cfg.BinaryParameters {
			t.Errorf("%s: statements travel apart from their arguments", c.url)
		}
		if cfg.Runtime["statement_timeout"] != "10000" || cfg.Runtime["idle_in_transaction_session_timeout"] != "15000" {
			t.Errorf("%s: runtime %v", c.url, cfg.Runtime)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {URL: "x", MaxConns: -1}, {URL: "x", StatementTimeout: 2, IOTimeout: 1}} {
		if _, err := o.withDefaults(); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
