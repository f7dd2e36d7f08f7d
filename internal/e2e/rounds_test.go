package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// resting says with an error that the reading of what is not polled is under way: between its slices there are seconds,
// a slice claims minutes, and once all is read the next is due in an hour or so.
func resting(ctx context.Context, db *sql.DB, connection string) error {
	n, err := number(ctx, db, `SELECT count(*) FROM sync_state
		WHERE connection_id = $1 AND next_records_at > now() + interval '5 minutes'`, connection)
	if err == nil && n == 0 {
		err = errors.New("slices follow")
	}
	return err
}

// rested waits until everything that is not polled has been read.
func (s *system) rested(e employer) {
	s.t.Helper()
	db := s.sql
	s.eventually("the round of slices ends", func() error { return resting(s.t.Context(), db, e.id) })
}

// round asks for a poll and for everything that is not polled, and waits for both.
func (s *system) round(e employer) {
	s.t.Helper()
	s.poll(e)
	s.rested(e)
}

// allScopes are the permissions of every module.
func allScopes(more ...string) []string {
	scopes := append([]string{"apiKeys:read"}, more...)
	for _, res := range ashby.Catalogue() {
		scopes = append(scopes, res.Scope)
	}
	return scopes
}

// optIn are the modules beside jobs.
func optIn() []string { return ashby.Modules()[1:] }

// sealedKinds are the kinds of modules, those of jobs left out.
func sealedKinds(modules ...string) (kinds []ashby.Kind) {
	for _, res := range ashby.Catalogue() {
		if res.Personal && res.In(modules) {
			kinds = append(kinds, res.Kind)
		}
	}
	return kinds
}

// countOf counts a connection's rows of some kinds in a table.
func countOf(ctx context.Context, db *sql.DB, table, connection string, kinds []ashby.Kind) (int64, error) {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return number(ctx, db, `SELECT count(*) FROM `+table+` WHERE connection_id = $1 AND kind = ANY(string_to_array($2, ','))`,
		connection, strings.Join(words, ","))
}

// patch changes a connection and returns its document.
func (s *system) patch(e employer, change map[string]any) (doc connectionDoc) {
	s.t.Helper()
	s.must(http.StatusOK, http.MethodPatch, "/v1/connections/"+e.id, change).decode(s.t, &doc)
	return doc
}

// module waits until a module has a state.
func (s *system) module(e employer, name, state string) (m moduleDoc) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("module %s is %s", name, state), func() error {
		if m = s.connection(e.id).module(name); m.State != state {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	return m
}
