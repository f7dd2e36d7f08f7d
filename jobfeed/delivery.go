package jobfeed

import (
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// headerID carries the event's id.
const headerID = "Nats-Msg-Id"

// delivery is a message as NATS handed it out; the same message may come in several.
type delivery struct {
	key, connection, posting string
	version                  int64
	id                       string
	body                     []byte
	// reply is where acknowledgements go.
	reply string
	// sequence is the place in the stream, number that among the deliveries of the consumer, pending how many messages
	// the consumer had behind this one. again says that it was handed out before.
	sequence, number, pending uint64
	again                     bool
	received                  time.Time
	// from is the consumer that delivered it.
	from *origin
	// before is the message that came before this one, as a place to go on from while this one is not handled.
	before Mark
}

// origin is one incarnation of a consumer and the stream below it. An acknowledgement may only be sent to the one that
// made the delivery: with another, the same sequence can be another event.
type origin struct {
	created time.Time
	replay  int
	// last is the newest message that came from it.
	last Mark
}

// identify reads what a message is from its subject and headers, without looking into its body.
func identify(subject string, h nats.Header) (delivery, error) {
	d := delivery{id: h.Get(headerID)}
	var ok bool
	if d.connection, d.posting, ok = parseSubject(subject); !ok {
		return d, fmt.Errorf("subject %q is none of Ashbridge's", subject)
	}
	d.key = key(d.connection, d.posting)
	var err error
	if d.version, err = strconv.ParseInt(h.Get(events.HeaderVersion), 10, 64); err != nil || d.version <= 0 {
		return d, fmt.Errorf("header %s is %q", events.HeaderVersion, h.Get(events.HeaderVersion))
	}
	return d, nil
}

// read takes a delivered message apart. Where it is none of Ashbridge's, the delivery has only its place.
func read(m *nats.Msg) (delivery, error) {
	md, err := m.Metadata()
	if err != nil {
		return delivery{}, fmt.Errorf("reading a message's metadata: %w", err)
	}
	d, err := identify(m.Subject, m.Header)
	d.body, d.reply, d.received = m.Data, m.Reply, time.Now()
	d.sequence, d.number, d.pending, d.again = md.Sequence.Stream, md.Sequence.Consumer, md.NumPending, md.NumDelivered > 1
	return d, err
}
