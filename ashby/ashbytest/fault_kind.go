package ashbytest

// FaultKind is a way in which Ashby may fail.
type FaultKind int

// The kinds of faults. Those about rows touch lists alone, unless Method names an endpoint that answers one object.
const (
	// FaultStatus answers Status (500 when zero) with plain text, and Retry-After where RetryAfter is set.
	FaultStatus FaultKind = iota + 1
	// Fault429 answers 429, with Retry-After when RetryAfter is set, and as a partner-wide limit when Partner is.
	Fault429
	// FaultTruncated cuts the connection in the middle of a good answer.
	FaultTruncated
	// FaultHTML answers 200 with an HTML page.
	FaultHTML
	// FaultErrorEnvelopeA answers 200 with success false and errorInfo, code Code.
	FaultErrorEnvelopeA
	// FaultErrorEnvelopeB answers 200 with success false and errors as objects, without errorInfo.
	FaultErrorEnvelopeB
	// FaultErrorEnvelopeC answers 200 with success false, errors null and errorInfo null.
	FaultErrorEnvelopeC
	// FaultTimeout never answers; the request ends when the client leaves or the simulator closes.
	FaultTimeout
	// FaultEmptyList answers a list as if nothing existed. It touches lists alone.
	FaultEmptyList
	// FaultShrunkList leaves only the fraction Keep of a list's rows. It touches lists alone.
	FaultShrunkList
	// FaultDuplicateRows repeats each row of a list. It touches lists alone.
	FaultDuplicateRows
	// FaultForbiddenPlain answers 403 in plain text, as a revoked key gets.
	FaultForbiddenPlain
	// FaultWrongContentType sends the right answer as text/plain.
	FaultWrongContentType
	// FaultRestartCode refuses a cursor or sync token with Code (sync_token_expired when empty). It touches only requests
	// that carry one.
	FaultRestartCode
	// FaultNoSuccessField answers 200 with JSON that is no envelope.
	FaultNoSuccessField
	// FaultOversized answers 200 with an empty list in 40 MiB of blanks.
	FaultOversized
	// FaultGzipBomb answers the same in a compressed body of some 40 KiB.
	FaultGzipBomb
	// FaultSlowBody begins an answer and goes on with a blank every 20 ms, until the client leaves or the simulator closes.
	FaultSlowBody
	// FaultReset resets the connection before a byte was sent. A connection that is refused needs a listener that is shut.
	FaultReset
	// FaultUnauthorizedPlain answers 401 in plain text.
	FaultUnauthorizedPlain
	// FaultMissingPermission answers 403 as if the key had not the permission, in the form Form.
	FaultMissingPermission
	// FaultUnknownFields adds members that nobody knows, to rows and to the envelope.
	FaultUnknownFields
	// FaultUnknownEnum gives the member Field of all rows a value that no enumeration has; where Field is empty, members
	// that decide nothing.
	FaultUnknownEnum
	// FaultNullFields makes the member Field of all rows null; where Field is empty, members that decide nothing.
	FaultNullFields
	// FaultBadRow gives the last row a member Field of the wrong type; where Field is empty, the members that decide what
	// may be shown, or the id where there is none.
	FaultBadRow
	// FaultRowWithoutID takes the id away from the last row.
	FaultRowWithoutID
	// FaultRepeatedRow shows the last row of a page again on the next: it moved while the pages were read, and comes
	// twice. It touches later pages alone.
	FaultRepeatedRow
	// FaultMovedRow leaves out the first row of a page: it moved to an earlier one while the pages were read, and never
	// comes. It touches later pages alone.
	FaultMovedRow
	// FaultCursorLoop answers each later page with the cursor by which it was asked for. It touches paged lists alone.
	FaultCursorLoop
	// FaultCutListing ends a listing too early and says that it is complete: with the first page, or in the middle of the
	// only one.
	FaultCutListing
	// FaultFreshToken makes the sync token of each pass another one, though nothing changed.
	FaultFreshToken
	// FaultNoToken ends a pass without a sync token.
	FaultNoToken
	// FaultLate makes the answer at once and sends it when Until is closed: what the client reads is older by then than
	// what it may have heard of by webhook.
	FaultLate
)

// onlyLists are the kinds that make no sense for one object; those that are true not even where Method names one.
var onlyLists = map[FaultKind]bool{
	FaultEmptyList: true, FaultShrunkList: true, FaultDuplicateRows: true, FaultCutListing: true, FaultBadRow: false, FaultRowWithoutID: false,
}
