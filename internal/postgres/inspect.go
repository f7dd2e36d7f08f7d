package postgres

import (
	"context"
	"time"
)

// Inspection is what is seen of a database's server.
type Inspection struct {
	// Version is the server's, as 170002 for 17.2; VersionText is how it says it itself.
	Version     int
	VersionText string
	// Unsafe are settings that are off and must be on, else a power cut takes back what was committed.
	Unsafe []string
	// IsStandby says that nothing can be written; Encoding is UTF8 as it should be; HasChecksums that damaged pages are noticed.
	IsStandby, HasChecksums bool
	Encoding                string
	// Size is that of the database in bytes.
	Size int64
	// MaxConns are the connections that the server gives to others than superusers, Conns those that are open, this one
	// among them.
	MaxConns, Conns int
	// Ahead is by how much the server's clock is ahead of this process's, give or take half of RTT.
	Ahead, RTT time.Duration
}

// Inspect looks at the server.
func (d *DB) Inspect(ctx context.Context) (Inspection, error) {
	const doing = "looking at the database"
	var row struct {
		Version     int    `db:"version"`
		VersionText string `db:"version_text"`
		Standby     bool   `db:"standby"`
		Checksums   bool   `db:"checksums"`
		Encoding    string `db:"encoding"`
		Size        int64  `db:"size"`
		MaxConns    int    `db:"max_conns"`
		Conns       int    `db:"conns"`
	}
	if err := d.x.GetContext(ctx, &row, `
		SELECT CAST(current_setting('server_version_num') AS integer) AS version, current_setting('server_version') AS version_text,
			pg_is_in_recovery() AS standby, current_setting('data_checksums') = 'on' AS checksums,
			current_setting('server_encoding') AS encoding, pg_database_size(current_database()) AS size,
			CAST(current_setting('max_connections') AS integer)
				- CAST(current_setting('superuser_reserved_connections') AS integer)
				- COALESCE(CAST(current_setting('reserved_connections', TRUE) AS integer), 0) AS max_conns,
			(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS conns`); err != nil {
		return Inspection{}, wrap(ctx, doing, err)
	}
	i := Inspection{
		Version: row.Version, VersionText: row.VersionText, IsStandby: row.Standby, HasChecksums: row.Checksums, Encoding: row.Encoding,
		Size: row.Size, MaxConns: row.MaxConns, Conns: row.Conns,
	}
	var err error
	if i.Unsafe, err = d.unsafeSettings(ctx); err != nil {
		return Inspection{}, wrap(ctx, doing, err)
	}
	asked := time.Now()
	at, err := now(ctx, d.x)
	if err != nil {
		return Inspection{}, wrap(ctx, doing, err)
	}
	i.RTT = time.Since(asked)
	i.Ahead = at.Sub(asked.Add(i.RTT / 2))
	return i, nil
}

// ConnectionNamed returns the id of the connection that has the name as its id, or as the employer_ref of one that is not
// removed. mirror.ErrNotFound.
func (d *DB) ConnectionNamed(ctx context.Context, name string) (id string, err error) {
	err = d.x.GetContext(ctx, &id, `
		SELECT id
		FROM connections
		WHERE id = $1 OR employer_ref = $1 AND status <> 'removed'
		ORDER BY id = $1 DESC
		LIMIT 1`, name)
	return id, wrap(ctx, "looking for a connection", err)
}
