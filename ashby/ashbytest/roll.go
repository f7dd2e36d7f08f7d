package ashbytest

import (
	"hash/fnv"
	"time"
)

// roll is a source of choices for one generated record: cheaper than stableRand, as one is made each time a record is shown.
type roll uint64

// roll depends on seed, slug, kind and number alone.
func (o *Organization) roll(kind string, n int) roll {
	h := fnv.New64a()
	_, _ = h.Write([]byte(o.slug + "\x00" + kind)) // never fails
	return roll(mixed(h.Sum64() ^ mixed(o.sim.opts.Seed) ^ mixed(uint64(n)+1)))
}

// mixed is the finalizer of splitmix64.
func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// pick is the i-th choice, from 0 to below n.
func (r roll) pick(i, n int) int { return int(mixed(uint64(r)+uint64(i)) % uint64(n)) }

// oneOf gives the text of the i-th choice.
func (r roll) oneOf(i int, from []string) string { return from[r.pick(i, len(from))] }

// ago is a time before generatedAt, in minutes.
func ago(minutes int) string { return instant(generatedAt.Add(-time.Duration(minutes) * time.Minute)) }
