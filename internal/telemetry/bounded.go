package telemetry

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Other is the value that stands for all that have none of their own.
const Other = "other"

// Family is a metric whose series can be removed by some of their labels.
type Family interface {
	DeletePartialMatch(labels prometheus.Labels) int
}

// Bounded bounds the values of a label, so that what grows with the number of things outside does not grow the number of
// series: at most limit values are shown as they are, and all others together as Other. It is safe for concurrent use.
type Bounded struct {
	label string
	limit int

	mu    sync.RWMutex
	shown map[string]bool
	// removed are those that the last Keep removed: somebody who had just asked for one may still have counted it.
	removed  []string
	declares []func(value string)
	families []Family
}

// NewBounded bounds a label to limit values of its own; with 0 there is Other alone.
func NewBounded(label string, limit int) *Bounded {
	return &Bounded{label: label, limit: max(0, limit), shown: map[string]bool{}}
}

// Limit is how many values are shown as they are at most.
func (b *Bounded) Limit() int { return b.limit }

// Follow has declare make the series of each value that comes to be shown, and of Other, so that they are there before
// their first count; and has those of values that are not shown any more removed from the families.
func (b *Bounded) Follow(declare func(value string), families ...Family) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.declares = append(b.declares, declare)
	b.families = append(b.families, families...)
	declare(Other)
	for v := range b.shown {
		declare(v)
	}
}

// show is called under the lock.
func (b *Bounded) show(v string) {
	b.shown[v] = true
	for _, declare := range b.declares {
		declare(v)
	}
}

// Value is what stands for a value: itself as long as there is room, else Other.
func (b *Bounded) Value(v string) string {
	b.mu.RLock()
	shown, full := b.shown[v], len(b.shown) >= b.limit
	b.mu.RUnlock()
	if shown {
		return v
	}
	if full || v == "" {
		return Other
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.shown[v] && len(b.shown) >= b.limit {
		return Other
	}
	if !b.shown[v] {
		b.show(v)
	}
	return v
}

// drop removes a value's series.
func (b *Bounded) drop(v string) {
	for _, f := range b.families {
		f.DeletePartialMatch(prometheus.Labels{b.label: v})
	}
}

// Keep says which values are to be shown, the most important first; those beyond the limit are not. The series of all
// others are removed. A value that is counted in that moment may come back, and leaves with the next Keep.
func (b *Bounded) Keep(values []string) {
	keep := make(map[string]bool, min(len(values), b.limit))
	for _, v := range values[:min(len(values), b.limit)] {
		keep[v] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	again := b.removed
	b.removed = nil
	for v := range b.shown {
		if !keep[v] {
			delete(b.shown, v)
			b.removed = append(b.removed, v)
			b.drop(v)
		}
	}
	for _, v := range again {
		if !b.shown[v] {
			b.drop(v)
		}
	}
	for v := range keep {
		if !b.shown[v] {
			b.show(v)
		}
	}
}
