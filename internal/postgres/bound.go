package postgres

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"github.com/lib/pq"
)

// cancelGrace is how long a server has to answer a call whose context ended: lib/pq asks it to cancel the call, and an
// answer that comes in time spares it the rest of the work. lib/pq gives the connection up in any case.
const cancelGrace = 200 * time.Millisecond

// connector opens connections whose calls end soon after their contexts do. lib/pq alone waits for the answer of a server
// that fell silent, so that a commit that may take two seconds took fifteen, and so did the end of a process.
type connector struct {
	cfg pq.Config
	// timeout bounds each single wait for the network.
	timeout time.Duration
}

// Connect satisfies driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	opener, err := pq.NewConnectorConfig(c.cfg)
	if err != nil {
		return nil, err
	}
	dialer := &deadlineDialer{timeout: c.timeout}
	opener.Dialer(dialer)
	defer context.AfterFunc(ctx, func() {
		if begun := dialer.last.Load(); begun != nil {
			_ = begun.Close()
		}
	})()
	made, err := opener.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := made.(pqConn)
	if !ok {
		return nil, fmt.Errorf("the driver's connection is a %T", made)
	}
	return boundConn{pqConn: conn, network: dialer.last.Load()}, nil
}

// Driver satisfies driver.Connector.
func (connector) Driver() driver.Driver { return pq.Driver{} }

// pqConn is all that lib/pq's connections can do for database/sql.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// pqRows is all that lib/pq's rows can do for database/sql.
type pqRows interface {
	driver.RowsNextResultSet
	driver.RowsColumnTypeScanType
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypePrecisionScale
}

// boundConn breaks its network connection when a call's context has ended and no answer follows.
type boundConn struct {
	pqConn
	network *deadlineConn
}

var _ pqConn = boundConn{}

// QueryContext satisfies driver.QueryerContext. The context binds the reading of the rows too.
func (c boundConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	release := c.bind(ctx)
	rows, err := c.pqConn.QueryContext(ctx, query, args)
	if err != nil {
		release()
		return nil, err
	}
	made, ok := rows.(pqRows)
	if !ok {
		err := fmt.Errorf("the driver's rows are a %T", rows)
		_ = rows.Close()
		release()
		return nil, err
	}
	return boundRows{pqRows: made, release: release}, nil
}

// ExecContext satisfies driver.ExecerContext.
func (c boundConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	defer c.bind(ctx)()
	return c.pqConn.ExecContext(ctx, query, args)
}

// PrepareContext satisfies driver.ConnPrepareContext.
func (c boundConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	defer c.bind(ctx)()
	return c.pqConn.PrepareContext(ctx, query)
}

// Ping satisfies driver.Pinger.
func (c boundConn) Ping(ctx context.Context) error {
	defer c.bind(ctx)()
	return c.pqConn.Ping(ctx)
}

// BeginTx satisfies driver.ConnBeginTx. The context binds all of the transaction, its commit too.
func (c boundConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	release := c.bind(ctx)
	tx, err := c.pqConn.BeginTx(ctx, opts)
	if err != nil {
		release()
		return nil, err
	}
	return boundTx{Tx: tx, release: release}, nil
}

// bind breaks the connection a moment after ctx has ended, unless it was released by then.
func (c boundConn) bind(ctx context.Context) (release func()) {
	released := make(chan struct{})
	unbind := context.AfterFunc(ctx, func() {
		select {
		case <-released:
		case <-time.After(cancelGrace):
			_ = c.network.Close()
		}
	})
	return sync.OnceFunc(func() {
		unbind()
		close(released)
	})
}

// boundTx is a transaction that its context binds to its end.
type boundTx struct {
	driver.Tx
	release func()
}

// Commit satisfies driver.Tx.
func (t boundTx) Commit() error {
	defer t.release()
	return t.Tx.Commit()
}

// Rollback satisfies driver.Tx.
func (t boundTx) Rollback() error {
	defer t.release()
	return t.Tx.Rollback()
}

// boundRows are rows that their query's context binds until they are closed, which reads what is left of them.
type boundRows struct {
	pqRows
	release func()
}

// Close satisfies driver.Rows.
func (r boundRows) Close() error {
	defer r.release()
	return r.pqRows.Close()
}
