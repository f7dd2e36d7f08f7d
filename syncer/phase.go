package syncer

import (
	"hash/fnv"
	"time"
)

// soonest is the part of an interval that lies at least between two turns.
const soonest = 10

// untilTurn is after how long a connection's next turn comes. Each has a moment of its own within the interval, so that
// ten thousand that were connected in one minute, or came back after an outage, do not take turns in one minute. A turn
// that would follow at once is left out: it is never longer than eleven tenths of the interval.
func untilTurn(connection string, interval time.Duration, now time.Time) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(connection)) // never fails
	phase := time.Duration(h.Sum64() % uint64(interval))
	at := now.Truncate(interval).Add(phase)
	for at.Sub(now) < interval/soonest {
		at = at.Add(interval)
	}
	return at.Sub(now)
}
