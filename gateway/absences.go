package gateway

import "time"

const (
	// unknownFresh is how long it is remembered that something does not exist, unknownMax how much of that at most: whoever
	// guesses must neither ask the store each time nor fill the memory.
	unknownFresh = 5 * time.Second
	unknownMax   = 10_000
)

// absences are tokens or users of which the store said that they do not exist, and until when that is believed. Its owner
// guards it with a lock.
type absences map[string]time.Time

// has says whether a key is remembered as absent.
func (a absences) has(key string, now time.Time) bool {
	until, ok := a[key]
	return ok && now.Before(until)
}

// add remembers a key for unknownFresh from when the store was asked, if there is room.
func (a absences) add(key string, asked time.Time) {
	if len(a) >= unknownMax {
		for k, until := range a {
			if !asked.Before(until) {
				delete(a, k)
			}
		}
	}
	if len(a) < unknownMax {
		a[key] = asked.Add(unknownFresh)
	}
}
