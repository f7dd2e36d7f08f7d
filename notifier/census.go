package notifier

import (
	"hash/maphash"

	"github.com/bebitcoiner/ashbridge/internal/bus"
)

// census knows how many messages the stream must hold, to the last one, so that a loss is noticed even where as many new
// ones came meanwhile. It keeps two numbers by a hash of the subject, some 5 MB for 100,000 jobs. Should two subjects ever
// share a hash, the numbers can be wrong and the stream is read once more than needed.
type census struct {
	seed  maphash.Seed
	kept  map[uint64]tally
	total uint64
}

// tally is what a subject has: how many messages, and where the last of them lies.
type tally struct {
	seq  uint64
	kept uint8
}

func newCensus(subjects int) *census {
	return &census{seed: maphash.MakeSeed(), kept: make(map[uint64]tally, subjects)}
}

// add counts a message that was published.
func (c *census) add(subject string, seq uint64) {
	h := maphash.String(c.seed, subject)
	t := c.kept[h]
	t.seq = seq
	if t.kept < bus.KeptPerSubject {
		t.kept++
		c.total++
	}
	c.kept[h] = t
}

// set counts what a subject has.
func (c *census) set(subject string, kept int, seq uint64) {
	h := maphash.String(c.seed, subject)
	c.total += uint64(kept) - uint64(c.kept[h].kept)
	if kept == 0 {
		delete(c.kept, h)
		return
	}
	c.kept[h] = tally{seq: seq, kept: uint8(kept)}
}

// last is where the subject's last message lies, 0 where that is not known.
func (c *census) last(subject string) uint64 {
	if c == nil {
		return 0
	}
	return c.kept[maphash.String(c.seed, subject)].seq
}

// holds says whether the stream has what it must have.
func (c *census) holds(info bus.StreamState) bool {
	return info.Messages == c.total && info.Subjects == uint64(len(c.kept))
}
