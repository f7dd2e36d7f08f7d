package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	feedIDPrefix    = "feed_"
	feedTokenPrefix = "ash_feed_"
	// mostFed bounds the employers that a feed names; a feed of all has no bound.
	mostFed = 1000
)

type feedJSON struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Employers  []string   `json:"employers"` // null for all
	CreatedAt  time.Time  `json:"created_at"`
	RotatedAt  *time.Time `json:"rotated_at"`
	LastReadAt *time.Time `json:"last_read_at"`
	// Token and URLs, which hold it, are shown once.
	Token string        `json:"token,omitempty"`
	URLs  *feedURLsJSON `json:"urls,omitempty"`
}

type feedURLsJSON struct {
	JSON string `json:"json"`
	XML  string `json:"xml"`
	RSS  string `json:"rss"`
}

type feedsJSON struct {
	Feeds []feedJSON `json:"feeds"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

// showFeed shows the token too where it is given.
func (g *Gateway) showFeed(f mirror.Feed, token string) feedJSON {
	out := feedJSON{
		ID: f.ID, Name: f.Name, Employers: f.Employers, CreatedAt: f.CreatedAt, RotatedAt: f.RotatedAt,
		LastReadAt: f.LastReadAt, Token: token,
	}
	if token != "" {
		at := g.opts.PublicURL + "/feeds/" + token + "/jobs."
		out.URLs = &feedURLsJSON{JSON: at + "json", XML: at + "xml", RSS: at + "rss"}
	}
	return out
}

// newFeedToken makes a token of 192 random bits, and its hash.
func newFeedToken() (token string, hash []byte) {
	token = feedTokenPrefix + randomHex(24)
	return token, hashFeedToken(token)
}

func hashFeedToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

type newFeed struct {
	Name *string `json:"name"`
	// Employers are connection ids; null or left out for all.
	Employers json.RawMessage `json:"employers"`
}

func (g *Gateway) createFeed(c *fiber.Ctx) error {
	var body newFeed
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	out := mirror.NewFeed{Name: f.text("name", body.Name), Employers: f.employers(body.Employers, mostFed)}
	if err := f.err(); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making an id: %w", err)
	}
	token, hash := newFeedToken()
	out.ID, out.TokenHash = feedIDPrefix+strings.ReplaceAll(id.String(), "-", ""), hash
	stored, err := g.opts.Feeds.CreateFeed(c.UserContext(), out)
	if err != nil {
		return fmt.Errorf("storing feed: %w", err)
	}
	exchangeOf(c).target = stored.ID
	return writeJSON(c, fiber.StatusCreated, g.showFeed(stored, token))
}

func (g *Gateway) listFeeds(c *fiber.Ctx) error {
	q := readQuery(c, "cursor", "limit")
	after, limit := "", q.limit()
	q.cursor(&after)
	if err := q.err(); err != nil {
		return err
	}
	feeds, err := g.opts.Feeds.Feeds(c.UserContext(), after, limit)
	if err != nil {
		return fmt.Errorf("listing feeds: %w", err)
	}
	out := feedsJSON{Feeds: make([]feedJSON, 0, len(feeds))}
	for _, f := range feeds {
		out.Feeds = append(out.Feeds, g.showFeed(f, ""))
	}
	out.NextCursor = nextCursor(feeds, limit, func(last mirror.Feed) any { return last.ID })
	return writeJSON(c, fiber.StatusOK, out)
}

// rotateFeed gives the feed another address. The old one is unknown from that moment on, at every gateway, as no gateway
// remembers tokens. Whoever needs both for a while makes a second feed, which is the same document, and deletes the first
// when the board has moved.
func (g *Gateway) rotateFeed(c *fiber.Ctx) error {
	id, err := feedID(c)
	if err != nil {
		return err
	}
	token, hash := newFeedToken()
	f, err := g.opts.Feeds.RotateFeed(c.UserContext(), id, hash)
	if err != nil {
		return fmt.Errorf("rotating a feed's token: %w", err)
	}
	return writeJSON(c, fiber.StatusOK, g.showFeed(f, token))
}

func (g *Gateway) removeFeed(c *fiber.Ctx) error {
	id, err := feedID(c)
	if err != nil {
		return err
	}
	if err := g.opts.Feeds.RemoveFeed(c.UserContext(), id); err != nil {
		return fmt.Errorf("removing feed: %w", err)
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

// feedID is the id in the path, copied; one that cannot be an id names nothing.
func feedID(c *fiber.Ctx) (string, error) {
	id := strings.Clone(c.Params("id"))
	if !idShape.MatchString(id) {
		return "", errNotFound
	}
	return id, nil
}

// feedOf finds the feed of a token. errNotFound for every token that there is not, whatever it looks like.
func (g *Gateway) feedOf(ctx context.Context, token string) (mirror.Feed, error) {
	// No token of ours has another length, and the store needs no look at what is none.
	if !strings.HasPrefix(token, feedTokenPrefix) || len(token) != len(feedTokenPrefix)+48 {
		return mirror.Feed{}, errNotFound
	}
	f, err := g.opts.Feeds.FeedOf(ctx, hashFeedToken(token))
	if err != nil {
		return mirror.Feed{}, fmt.Errorf("looking up a feed: %w", err)
	}
	return f, nil
}
