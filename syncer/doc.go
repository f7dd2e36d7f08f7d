// Package syncer turns hints and schedules into reads of Ashby, and Ashby's answers into units of work on the store.
//
// It guarantees:
//   - A webhook is answered only when what a read of its object that began after it found is committed; until then the
//     hint, the inbox row or the connection's schedule asks again.
//   - The burst of one connection does not keep the hints of others from being handled.
//   - An answer never overwrites what a newer answer to a later request brought, in whatever order they arrive.
//   - Nothing closes on an answer that failed, was incomplete, or contradicts another one.
//   - A process that lost a partition's lease writes nothing more for it.
//
// Without NATS it polls and drains the inbox by itself; without Postgres it waits and does not call Ashby, since the
// answer could not be kept.
package syncer
