package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// errRaced says that another transaction wrote what this one had decided on; the decision is made again.
var errRaced = errors.New("another transaction was faster")

// wrap says what was being done and turns a driver's error into the domain's sentinel where it has one. The driver's
// error stays in the chain, for the log. A context that ended is the caller's own doing and stays what it is.
func wrap(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("%s: %w: %w", doing, ended, err)
	}
	if sentinel := sentinelOf(err); sentinel != nil && !errors.Is(err, sentinel) {
		return fmt.Errorf("%s: %w: %w", doing, sentinel, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// sentinelOf is the one place that knows what the driver's errors mean; nil where they mean nothing in the domain.
func sentinelOf(err error) error {
	if failed := pq.As(err); failed != nil {
		return sentinelOfCode(failed)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return mirror.ErrNotFound
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errRaced):
		return mirror.ErrUnavailable
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return mirror.ErrUnavailable
	}
	return nil
}

func sentinelOfCode(failed *pq.Error) error {
	switch failed.Code {
	case pqerror.UniqueViolation:
		switch failed.Constraint {
		case "connections_key_fingerprint":
			return mirror.ErrDuplicateKey
		case "connections_employer_ref":
			return mirror.ErrDuplicateEmployer
		case "api_tokens_active_name":
			return mirror.ErrDuplicateName
		}
		return nil
	case pqerror.ForeignKeyViolation:
		// Every foreign key but the partition's points at the connection.
		if strings.HasSuffix(failed.Constraint, "_connection_id_fkey") {
			return mirror.ErrNotFound
		}
		return nil
	case pqerror.ReadOnlySQLTransaction, pqerror.LockNotAvailable:
		// A standby after a failover, and a lock that was not to be had in time.
		return mirror.ErrUnavailable
	}
	switch failed.Code.Class() {
	case pqerror.ClassConnectionException, pqerror.ClassInsufficientResources, pqerror.ClassOperatorIntervention,
		pqerror.ClassSystemError, pqerror.ClassTransactionRollback:
		return mirror.ErrUnavailable
	}
	return nil
}

// retryable says that the transaction lost against another one and may win when it is done again.
func retryable(err error) bool {
	return errors.Is(err, errRaced) || pq.As(err, pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected) != nil
}
