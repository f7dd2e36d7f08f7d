package webhook

import (
	"math/rand/v2"
	"time"
)

// delays are the pauses after the first, second … failed try of a delivery: eleven tries in all, the last a little less
// than a day after the first. Jitter makes each up to a tenth shorter, so that the tries of many do not come together.
var delays = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	4 * time.Hour, 6 * time.Hour, 10 * time.Hour,
}

// keepTrying is how long after its first try a delivery is given up if it fails again. Without it, deliveries whose tries
// were put off while their endpoint was down would go on for days.
const keepTrying = 24 * time.Hour

// nextTry says how long to wait after a delivery failed for the tries-th time, the first time since ago. again is false
// where it is given up.
func nextTry(tries int, since time.Duration) (pause time.Duration, again bool) {
	if tries > len(delays) || since >= keepTrying {
		return 0, false
	}
	d := delays[tries-1]
	return d - rand.N(d/10+1), true
}
