package gateway

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/feed"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// feedTime is what a document may take at most: 500 MB at 4.5 Mbit/s, or at a sixth of that when compressed.
	feedTime = 15 * time.Minute
	// feedPage is how many jobs are read at once.
	feedPage = 100
	// feedChunk is how much is sent at once. A client must take that much within writeTimeout.
	feedChunk = 32 << 10
	// feedReadEvery is how often it is noted that a feed was read.
	feedReadEvery = time.Minute
	// headerVerifiedAt tells when the employer's copy that was compared with Ashby longest ago was compared. It is no part of
	// the document, which would change every hour otherwise, and comes with 304 too.
	headerVerifiedAt = "Ashbridge-Verified-At"
)

// reading is one request for a feed.
type reading struct {
	feed    mirror.Feed
	format  feed.Format
	state   mirror.FeedState
	edition edition
	// self is the document's own address.
	self   string
	zipped bool
}

func (g *Gateway) jsonFeed(c *fiber.Ctx) error { return g.serveFeed(c, feed.JSON) }

func (g *Gateway) xmlFeed(c *fiber.Ctx) error { return g.serveFeed(c, feed.XML) }

func (g *Gateway) rssFeed(c *fiber.Ctx) error { return g.serveFeed(c, feed.RSS) }

// serveFeed answers GET and HEAD of a feed's document in a format.
func (g *Gateway) serveFeed(c *fiber.Ctx, format feed.Format) error {
	c.Set(fiber.HeaderCacheControl, "no-store") // for problems
	token := strings.Clone(c.Params("token"))
	r, err := g.readingOf(c.UserContext(), token, format)
	if err != nil {
		return err
	}
	r.zipped = acceptsGzip(c.Get(fiber.HeaderAcceptEncoding))
	switch {
	case r.edition.known(c):
		g.metrics.feed(feedUnmodified)
		r.tell(c)
		c.Status(fiber.StatusNotModified)
		return nil
	case c.Method() == fiber.MethodHead:
		g.metrics.feed(feedHead)
		r.describe(c)
		return nil
	case !g.feedReaders.enter(r.feed.ID):
		g.metrics.feed(feedBusy)
		return errManyReaders
	}
	r.describe(c)
	g.sendFeed(c.UserContext(), c, r)
	return nil
}

// readingOf finds the feed and what there is to show.
func (g *Gateway) readingOf(ctx context.Context, token string, format feed.Format) (*reading, error) {
	ctx, cancel := context.WithTimeout(ctx, plainTime)
	defer cancel()
	f, err := g.feedOf(ctx, token)
	if err != nil {
		g.metrics.feed(feedUnknown)
		return nil, err
	}
	state, err := g.feedStates.of(ctx, f)
	if err != nil {
		return nil, err
	}
	g.noteFeedRead(ctx, f)
	return &reading{
		feed: f, format: format, state: state, edition: g.feedEdition(f, format, state),
		self: g.opts.PublicURL + "/feeds/" + token + "/jobs." + string(format),
	}, nil
}

// tell sets the headers that 304 has, too.
func (r *reading) tell(c *fiber.Ctx) {
	r.edition.tell(c)
	c.Set(fiber.HeaderCacheControl, "private, max-age=60")
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	if r.state.VerifiedAt != nil {
		c.Set(headerVerifiedAt, r.state.VerifiedAt.UTC().Format(time.RFC3339))
	}
}

// describe sets the headers of the document, also where HEAD leaves it out.
func (r *reading) describe(c *fiber.Ctx) {
	r.tell(c)
	c.Set(fiber.HeaderContentType, r.format.MediaType())
	if r.zipped {
		c.Set(fiber.HeaderContentEncoding, "gzip")
	}
}

// noteFeedRead is a courtesy to whoever looks at the feeds: that it fails is no reason not to answer.
func (g *Gateway) noteFeedRead(ctx context.Context, f mirror.Feed) {
	if f.LastReadAt != nil && g.opts.Now().Sub(*f.LastReadAt) < feedReadEvery {
		return
	}
	if err := g.opts.Feeds.FeedRead(ctx, f.ID); err != nil {
		g.log.WarnContext(ctx, "could not note that a feed was read", "feed", f.ID, "error", err)
	}
}

// sendFeed begins the answer to a reader who has entered; the document is written when the handler has returned.
func (g *Gateway) sendFeed(ctx context.Context, c *fiber.Ctx, r *reading) {
	x := exchangeOf(c)
	done := x.takeOver()
	write := func(w io.Writer) error { return g.writeFeed(ctx, w, r) }
	end := func(sent int, err error) {
		g.feedReaders.leave(r.feed.ID)
		outcome := feedSent
		if err != nil {
			outcome, x.cut = feedCut, err
		}
		g.metrics.feed(outcome)
		g.report(ctx, x, nil, answered{status: fiber.StatusOK, out: sent})
		done()
	}
	c.Context().SetBodyStream(newStream(c.Context().Conn(), write, end), -1)
}

// writeFeed writes the document, compressed if asked to. Only when all went well is its end written, which also holds for
// the ends of the compressed stream and of the answer.
func (g *Gateway) writeFeed(ctx context.Context, w io.Writer, r *reading) error {
	chunks := bufio.NewWriterSize(w, feedChunk)
	if !r.zipped {
		if err := g.writeJobs(ctx, chunks, r); err != nil {
			return err
		}
		return chunks.Flush()
	}
	z, err := gzip.NewWriterLevel(chunks, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if err := g.writeJobs(ctx, z, r); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return chunks.Flush()
}

func (g *Gateway) writeJobs(ctx context.Context, w io.Writer, r *reading) error {
	doc, err := feed.NewWriter(w, r.format, feed.Channel{
		Name: r.feed.Name, Link: g.opts.PublicURL, Self: r.self, Changed: r.edition.changed,
	})
	if err != nil {
		return err
	}
	q := mirror.FeedQuery{Employers: r.feed.Employers, Limit: feedPage}
	for {
		page, err := g.feedPage(ctx, q)
		if err != nil {
			return err
		}
		for _, j := range page {
			if err := doc.Add(feed.Job{Doc: j.Job, Version: j.Version, ChangedAt: j.ChangedAt}); err != nil {
				return err
			}
			q.After = j.FeedCursor
		}
		if len(page) < q.Limit {
			return doc.Close()
		}
	}
}

// feedPage reads a page within the time of any request.
func (g *Gateway) feedPage(ctx context.Context, q mirror.FeedQuery) ([]mirror.FeedJob, error) {
	ctx, cancel := context.WithTimeout(ctx, plainTime)
	defer cancel()
	page, err := g.opts.Feeds.FeedPage(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading the jobs of a feed: %w", err)
	}
	return page, nil
}
