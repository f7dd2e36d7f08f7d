package jobfeed

import "time"

// Hurried makes the feed notice within a fraction of a second what it usually notices within seconds.
func (o Options) Hurried() Options {
	o.pace = pace{
		heartbeat: 200 * time.Millisecond, expires: time.Second, ping: 300 * time.Millisecond, probe: 300 * time.Millisecond,
		call: time.Second, reconnect: 200 * time.Millisecond, retry: 200 * time.Millisecond, reached: 50 * time.Millisecond, audit: time.Second,
	}
	return o
}

// Unaudited switches the comparison with the stream off, which mends what other precautions ought to prevent.
func (o Options) Unaudited() Options {
	o.pace.audit = time.Hour
	return o
}
