package postgres_test

import (
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

func TestMigrationsAtTheSameTime(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	group, ctx := errgroup.WithContext(t.Context())
	for range 4 {
		db := open(t, postgres.Options{URL: url})
		group.Go(func() error { return db.Migrate(ctx) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	db := open(t, postgres.Options{URL: url})
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	db := open(t, postgres.Options{URL: url})
	if err := db.CheckSchema(t.Context()); !errors.Is(err, postgres.ErrSchemaBehind) {
		t.Errorf("empty database: %v", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Errorf("migrated: %v", err)
	}
	raw := rawDB(t, url)
	if _, err := raw.ExecContext(t.Context(), `
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckSchema(t.Context()); !errors.Is(err, postgres.ErrSchemaAhead) {
		t.Errorf("newer: %v", err)
	}
}
