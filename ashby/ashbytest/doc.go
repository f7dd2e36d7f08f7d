// Package ashbytest is a simulator of api.ashbyhq.com: an http.Handler that holds made-up employers, answers the read
// endpoints of every kind of object that Ashby lists, and delivers signed webhooks on Ashby's retry schedule. Tests run it
// in the process; `ashbridge sim` and `ashbridge up --demo` run it as a server.
//
// It promises to be at least as awkward as Ashby: strict about what it is sent, lavish with nulls, absent fields,
// undocumented extras and employer HTML, and able to fail in every way that Faults names. Where Ashby's behaviour is not
// documented, it picks the variant that is harder for a client and says so at that place.
//
// Generated ids, titles, texts and keys depend on Options.Seed and the organisation's slug alone. Save and Load carry a
// simulator's state from one process to the next.
//
// # Kinds
//
// Postings have code of their own. All else is a table: a row of kind says by which methods an object is listed and read,
// which scope and which parameters that takes, how the n-th object looks, and which webhooks its changes send. Generate
// makes postings with their jobs, GenerateHiring what an employer sets up once, GenerateCandidates people who apply.
// EditRecord, DeleteRecord and ArchiveRecord change any of it; acts that Ashby has a webhook for have methods by name.
//
// # Control path
//
// With Options.Control, whoever reaches the server may look at it and change it. Bodies are JSON, sent as such. Without
// "org", the only organisation is meant.
//
//	GET    /_sim/faults      all faults with their names, what they do, how often each was taken, and those switched on
//	POST   /_sim/faults      {"name","method","org","count","page","field"}; all but name limit it
//	DELETE /_sim/faults      switches all faults off
//	GET    /_sim/state       counts by organisation and kind, webhook settings, switches
//	POST   /_sim/edit        {"org","edit","id","text","to","kind","fields"}; a wrong "edit" is answered with all there are:
//	                         publish, unpublish, close, reopen, retitle, delete, create, apply, move, note, edit-record …
//	POST   /_sim/webhooks    {"org","muted","shuffle_ms","copies"}: loses, disorders and doubles webhooks
//	GET    /_sim/requests    the log of requests, from ?since= (RFC 3339) on
//
// 400 is a request that makes no sense, 409 one that could not be done to what there is.
package ashbytest
