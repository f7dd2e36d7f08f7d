package fleet

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The ways on which boards get events.
const (
	WayNATS    = "nats"
	WayWebhook = "webhook"
)

// Origins are those of job events.
func Origins() []events.Origin {
	return []events.Origin{events.OriginSeed, events.OriginWebhook, events.OriginPoll, events.OriginRepair}
}

// NewAcknowledged makes the histogram of the time until boards have a change, on one way. Its label is the origin.
func NewAcknowledged(way string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "ashbridge_board_changed_to_acknowledged_seconds",
		Help: "Time from the change at Ashby to the acknowledgement of its event by a board, over all boards: " +
			"on the way nats that of the message, on the way webhook the answer 2xx. What a board asked for anew does not count.",
		ConstLabels: prometheus.Labels{"way": way},
		Buckets:     []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400},
	}, []string{"origin"})
	for _, o := range Origins() {
		h.WithLabelValues(string(o))
	}
	return h
}
