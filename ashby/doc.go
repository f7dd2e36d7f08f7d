// Package ashby is a client of Ashby's API (https://developers.ashbyhq.com), as far as an ingestion of jobs needs it.
// It reads and never writes.
//
// What it promises:
//   - An answer is either understood as a whole or an error. Success is what the answer's "success" field says, never
//     the HTTP status alone: Ashby reports most failures with status 200.
//   - Each error matches exactly one of the sentinels in errors.go, or is the caller's own cancelled context or
//     ErrPrivateAddress.
//   - Unknown fields, nulls, absent fields and new enumeration values are normal. One row that cannot be read is
//     reported beside the good ones and does not spoil them.
//   - The employees' personal fields (author, hiringTeam) are dropped before a caller sees a row.
//   - No key appears in an error, a log line or a printed Client.
//
// Network faults, 429 and 5xx are tried again in bounded time; nothing else is. Ashby's dated API version is pinned.
package ashby
