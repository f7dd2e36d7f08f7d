// Package ashby is a client of Ashby's API (https://developers.ashbyhq.com), as far as a mirror of an organisation needs it.
// It reads; all that it writes is settings of webhooks, and those only when told to. (One method that reads,
// referralForm.info, makes Ashby add an empty form where there is none.)
//
// What it promises:
//   - An answer is either understood as a whole or an error. Success is what the answer's "success" field says, never
//     the HTTP status alone: Ashby reports most failures with status 200.
//   - Each error matches exactly one of the sentinels in errors.go, or is the caller's own cancelled context or
//     ErrPrivateAddress.
//   - Unknown fields, nulls, absent fields and new enumeration values are normal. One row that cannot be read is
//     reported beside the good ones and does not spoil them.
//   - The employees' personal fields (author, hiringTeam) of the module jobs are dropped before a caller sees a row. What
//     the other modules hold is personal through and through, and left whole: Resource.Personal says so.
//   - No key appears in an error, a log line or a printed Client.
//
// Network faults, 429 and 5xx are tried again in bounded time; nothing else is. The pace adapts to what Ashby allows
// (Pace), and background calls leave room for others (WithBackground). Ashby's dated API version is pinned.
package ashby
