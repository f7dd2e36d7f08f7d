package loop

import "time"

// The values that a Backoff uses for fields left at zero.
const (
	DefaultMin    = 100 * time.Millisecond
	DefaultMax    = 30 * time.Second
	DefaultFactor = 2.0
)

// Backoff counts out growing pauses between tries of something that keeps failing. The zero value is ready: 100 ms
// doubling to 30 s without jitter. It is not safe for concurrent use.
type Backoff struct {
	// Min is the first pause, Max the longest before jitter.
	Min, Max time.Duration
	// Factor is what each pause is multiplied with to make the next; below 1 means DefaultFactor.
	Factor float64
	// Jitter is the fraction, from 0 to below 1, by which each pause is randomly longer or shorter.
	Jitter float64

	next time.Duration
}

// Next is the pause before the next try.
func (b *Backoff) Next() time.Duration {
	low, high, factor := b.limits()
	current := max(b.next, low)
	if current >= high {
		current = high
	}
	// The product is compared as a number, since as a duration it could overflow and turn negative.
	if grown := float64(current) * factor; grown < float64(high) {
		b.next = time.Duration(grown)
	} else {
		b.next = high
	}
	return spread(current, min(b.Jitter, 1))
}

// Reset begins anew; call it after a success.
func (b *Backoff) Reset() { b.next = 0 }

// limits are the fields with defaults filled in.
func (b *Backoff) limits() (low, high time.Duration, factor float64) {
	low, high, factor = b.Min, b.Max, b.Factor
	if low <= 0 {
		low = DefaultMin
	}
	if high <= 0 {
		high = max(DefaultMax, low)
	}
	if factor < 1 {
		factor = DefaultFactor
	}
	return min(low, high), high, factor
}
