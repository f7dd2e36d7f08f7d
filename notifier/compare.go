package notifier

import (
	"context"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// latestPage is how many jobs are compared at once.
	latestPage = 10_000
	// strangersAtLeast and strangersShare bound how many subjects may be taken for another's and removed: where there are
	// more, it is likelier that this is the wrong database.
	strangersAtLeast, strangersShare = 10, 0.3
)

// comparison is one reading of the whole stream beside Postgres.
type comparison struct {
	*relay
	findings
	// before is what the stream held when nothing was wrong yet; nil where that is not known.
	before *census
	// info is what the server told when the stream was read.
	info bus.StreamState
	// places is where each subject stands, or will once the batch is published.
	places map[string]bus.Place
	// spoiled are subjects that begin anew, short those that lack something, raise those whose version must rise above what
	// the stream shows.
	spoiled      map[string]bool
	short, raise []mirror.Place
	// odd are subjects that no event has. Boards do not see them: they ask for those of events.
	odd []string
	// known are the subjects of which the database says what they must hold last.
	known map[string]bool
}

// compareAll reads the stream and Postgres, and repairs what differs.
func (r *relay) compareAll(ctx context.Context, before *census) error {
	c := &comparison{relay: r, before: before, known: map[string]bool{}, spoiled: map[string]bool{}}
	contents, err := c.read(ctx)
	if err != nil {
		return err
	}
	c.places = contents.Places
	if err := c.eachLatest(ctx, c.look); err != nil {
		return err
	}
	for _, place := range c.places {
		if place.Hole > 0 && !place.Foreign {
			c.gaps++
		}
	}
	strangers, err := c.strangers(ctx)
	if err != nil {
		return err
	}
	c.reportFound(ctx, c.kind())
	err = c.repair(ctx, strangers)
	r.nextCompare = time.Now().Add(r.CompareEvery)
	r.lastCompare = time.Now()
	return err
}

// read reads the stream. Where the server's own books are wrong, as it counts messages or subjects that it cannot give out
// any more, all are removed: what was readable of them is published again like the rest.
func (c *comparison) read(ctx context.Context) (bus.Contents, error) {
	contents, sound, err := c.readOnce(ctx)
	if err == nil && !sound {
		contents, sound, err = c.readOnce(ctx) // so much is done about it that it must not be a mistake
	}
	if err != nil || sound && c.unexplained < rebuildAt {
		return contents, err
	}
	if c.info.Messages > contents.Read {
		c.unreadable = c.info.Messages - contents.Read
	}
	c.reportFound(ctx, lossUnreadable)
	if err := c.uncount(ctx); err != nil {
		return contents, err
	}
	if err := c.Bus.Empty(ctx); err != nil {
		return contents, c.busError("removing messages that cannot be read", err)
	}
	return bus.Contents{Last: contents.Last, Places: map[string]bus.Place{}}, nil
}

func (c *comparison) readOnce(ctx context.Context) (contents bus.Contents, sound bool, err error) {
	if contents, err = c.Bus.Contents(ctx); err != nil {
		return contents, false, c.busError("comparing the stream with the log", err)
	}
	if c.info, err = c.jobsInfo(ctx); err != nil {
		return contents, false, err
	}
	if contents.Last != c.last || c.info.LastSeq != c.last || !c.info.Created.Equal(c.created) {
		return contents, false, errMoved
	}
	return contents, c.info.Messages == contents.Read && c.info.Subjects == uint64(len(contents.Places)), nil
}

// reportFound reports a loss that only the comparison showed.
func (c *comparison) reportFound(ctx context.Context, kind string) {
	if kind == "" || c.loss != "" {
		return
	}
	e := expectation{StreamState: c.state()}
	if c.before != nil {
		e.Messages = c.before.total
	}
	c.report(ctx, kind, e, c.info)
}

func (c *comparison) eachLatest(ctx context.Context, visit func(mirror.Latest)) error {
	cursor := ""
	for {
		page, next, err := c.Store.Latest(ctx, cursor, latestPage)
		if err != nil {
			return c.storeError("reading what the stream must hold", err)
		}
		for _, l := range page {
			visit(l)
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// look compares one subject's last message with what it must be.
func (c *comparison) look(l mirror.Latest) {
	subject := l.Subject()
	c.known[subject] = true
	place, there := c.places[subject]
	switch {
	case !there:
		c.missing++
		c.lostAt(c.before.last(subject))
		c.short = append(c.short, l.Place)
	case place.Foreign:
		c.foreign++
		c.spoiled[subject] = true
		c.short = append(c.short, l.Place)
	case place.Version < l.Version:
		c.behind++
		c.lostAt(c.before.last(subject))
		c.short = append(c.short, l.Place)
	case place.Version > l.Version || place.ID != l.EventID:
		c.ahead++
		raised := l.Place
		raised.Version = place.Version
		c.raise = append(c.raise, raised)
	}
}

// strangers returns the subjects of jobs and connections that the database has never had. Of those that it has and says
// nothing of, jobs that were closed long ago had left the stream and came back with an older copy of it, possibly as open
// ones; known to be there, they expire again.
func (c *comparison) strangers(ctx context.Context) (map[string]bool, error) {
	var places []mirror.Place
	for subject, place := range c.places {
		if c.known[subject] {
			continue
		}
		connection, posting, ok := bus.ParseSubject(subject)
		if !ok { // an answer of NATS that was sent here by somebody's reply subject keeps the subject it came from
			c.odd = append(c.odd, subject)
			continue
		}
		places = append(places, mirror.Place{Connection: connection, Posting: posting, Version: place.Version})
	}
	c.unknown = len(c.odd)
	if len(places) == 0 {
		return nil, nil
	}
	unknown, err := c.Store.Unknown(ctx, places)
	if err != nil {
		return nil, c.storeError("looking for jobs that nobody knows", err)
	}
	strangers := map[string]bool{}
	for _, u := range unknown {
		strangers[u.Subject()] = true
	}
	c.unknown += len(strangers)
	places = slices.DeleteFunc(places, func(p mirror.Place) bool { return p.Posting == "" || strangers[p.Subject()] })
	if len(places) > 0 {
		if err := c.Store.Found(ctx, places); err != nil {
			return nil, c.storeError("noting jobs that the log has nothing of", err)
		}
		c.nextExpiry = time.Time{}
	}
	if float64(len(strangers)) > max(strangersAtLeast, strangersShare*float64(len(c.places))) {
		c.Logger.ErrorContext(ctx, "stream holds so many jobs unknown to this database that they are left alone: is it the right one?",
			"stream", bus.StreamJobs, "unknown", len(strangers), "subjects", len(c.places))
		return nil, nil
	}
	return strangers, nil
}
