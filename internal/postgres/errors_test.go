package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestSentinels(t *testing.T) {
	t.Parallel()
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	for _, c := range []struct {
		err  error
		want error
	}{
		{&pq.Error{Code: "23505", Constraint: "connections_key_fingerprint"}, mirror.ErrDuplicateKey},
		{&pq.Error{Code: "23505", Constraint: "connections_employer_ref"}, mirror.ErrDuplicateEmployer},
		{&pq.Error{Code: "23505", Constraint: "connections_pkey"}, nil},
		{&pq.Error{Code: "23503", Constraint: "webhook_setup_connection_id_fkey"}, mirror.ErrNotFound},
		{&pq.Error{Code: "08006"}, mirror.ErrUnavailable},
		{&pq.Error{Code: "53300"}, mirror.ErrUnavailable},
		{&pq.Error{Code: "57P01"}, mirror.ErrUnavailable},
		{&pq.Error{Code: "57014"}, mirror.ErrUnavailable},
		{&pq.Error{Code: "40P01"}, mirror.ErrUnavailable},
		{&pq.Error{Code: "25006"}, mirror.ErrUnavailable},
		{&pq.Error{Code: "42601"}, nil},
		{driver.ErrBadConn, mirror.ErrUnavailable},
		{timeout, mirror.ErrUnavailable},
		{fmt.Errorf("wrapped: %w", timeout), mirror.ErrUnavailable},
		{sql.ErrNoRows, mirror.ErrNotFound},
		{mirror.ErrLeaseLost, mirror.ErrLeaseLost},
		{errors.New("other"), nil},
	} {
		err := wrap(t.Context(), "testing", c.err)
		if !errors.Is(err, c.err) {
			t.Errorf("%v lost its cause", err)
		}
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%v is not %v", err, c.want)
		}
		if c.want == nil && (errors.Is(err, mirror.ErrUnavailable) || errors.Is(err, mirror.ErrNotFound)) {
			t.Errorf("%v means something in the domain", err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := wrap(ended, "testing", &pq.Error{Code: "57014"})
	if !errors.Is(err, context.Canceled) || errors.Is(err, mirror.ErrUnavailable) {
		t.Errorf("a context that ended: %v", err)
	}
}

func TestRetryGivesUp(t *testing.T) {
	t.Parallel()
	tries := 0
	err := retry(t.Context(), "testing", func() error { tries++; return errRaced })
	if tries != attempts || !errors.Is(err, mirror.ErrUnavailable) {
		t.Errorf("%d tries, %v", tries, err)
	}
	tries = 0
	err = retry(t.Context(), "testing", func() error { tries++; return mirror.ErrRemoved })
	if tries != 1 || !errors.Is(err, mirror.ErrRemoved) {
		t.Errorf("%d tries, %v", tries, err)
	}
}
