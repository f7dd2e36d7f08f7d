// Package ashbytest is a simulator of api.ashbyhq.com: an http.Handler that holds made-up employers, answers the read
// endpoints that Ashbridge uses, and delivers signed webhooks on Ashby's retry schedule. Tests run it in the process;
// `ashbridge sim` and `ashbridge up --demo` run it as a server.
//
// It promises to be at least as awkward as Ashby: strict about what it is sent, lavish with nulls, absent fields,
// undocumented extras and employer HTML, and able to fail in every way that the switches in Fault name. Where Ashby's
// behaviour is not documented, it picks the variant that is harder for a client and says so at that place.
//
// Generated ids, titles, texts and keys depend on Options.Seed and the organisation's slug alone. Save and Load carry a
// simulator's state from one process to the next.
package ashbytest
