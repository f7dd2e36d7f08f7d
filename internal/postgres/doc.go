// Package postgres keeps Ashbridge's state. It alone knows sqlx and lib/pq; the services see the interfaces that they
// declare themselves, which the handles of DB satisfy: Gateway, Syncer and Notifier.
//
// Every exported method is one unit of work: it is committed whole or not at all, and it may be repeated safely when its
// outcome is not known. Locks are always taken in one order: a connection's removal, partition, connection, records,
// listings by posting, inbox rows, everything else; fence says why it may come last. Times that decide anything are the database's. No session state is used (no session
// locks, no LISTEN, no SET), so that a pooler in transaction mode may stand in between.
//
// Errors are the sentinels of package mirror where they have a meaning in the domain. When the database cannot be reached,
// is starting or stopping, has no room, or stays silent for longer than Options.IOTimeout, a method returns
// mirror.ErrUnavailable; nothing is then known to have been written.
package postgres
