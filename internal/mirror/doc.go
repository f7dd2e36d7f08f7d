// Package mirror holds Ashbridge's own terms: connections, hints, records, listings, and the pure decisions on them
// (what a permission report says, whether a posting is public, what changed, whether a job may close). It does no
// input or output and imports only the standard library, package ashby's types and the event contract.
package mirror
