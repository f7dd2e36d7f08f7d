package gateway

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
)

// access says who may call a route.
type access int

const (
	anyone access = iota
	// admin needs the bearer token.
	admin
	// signed is for Ashby's webhooks: the handler checks the signature itself.
	signed
)

const (
	// plainTime bounds requests that need our own stores alone, probeTime those that also ask Ashby.
	plainTime = 10 * time.Second
	probeTime = 30 * time.Second
	// hookTime is what a webhook may take: commit, and spill if that fails.
	hookTime = 5 * time.Second
)

// route is one line of the HTTP surface.
type route struct {
	method, path string
	access       access
	within       time.Duration
	handler      func(c *fiber.Ctx) error
}

func (r route) label() string { return r.method + " " + r.path }

// routes is the whole HTTP surface, as schema/openapi.yaml describes it.
func (g *Gateway) routes() []route {
	return []route{
		{"GET", "/", anyone, plainTime, g.index},
		{"GET", "/openapi.yaml", anyone, plainTime, g.openAPI},

		{"POST", "/v1/connections", admin, probeTime, g.createConnection},
		{"POST", "/v1/connections/check", admin, probeTime, g.checkKey},
		{"GET", "/v1/connections", admin, plainTime, g.listConnections},
		{"GET", "/v1/connections/:id", admin, plainTime, g.showConnection},
		{"PATCH", "/v1/connections/:id", admin, probeTime, g.patchConnection},
		{"DELETE", "/v1/connections/:id", admin, probeTime, g.removeConnection},
		{"POST", "/v1/connections/:id/sync", admin, plainTime, g.syncConnection},
		{"POST", "/v1/connections/:id/webhooks", admin, probeTime, g.setUpWebhooks},
		{"GET", "/v1/connections/:id/quarantine", admin, plainTime, g.listQuarantine},
		{"GET", "/v1/connections/:id/runs", admin, plainTime, g.listRuns},

		{"GET", "/v1/holds", admin, plainTime, g.listHolds},
		{"POST", "/v1/holds/:id/approve", admin, plainTime, g.approveHold},
		{"POST", "/v1/holds/:id/reject", admin, plainTime, g.rejectHold},

		{"GET", "/v1/jobs", admin, plainTime, g.listJobs},
		{"GET", "/v1/jobs/:id", admin, plainTime, g.showJob},
		{"GET", "/v1/jobs/:id/history", admin, plainTime, g.showHistory},

		{"GET", "/v1/records/:kind", admin, plainTime, g.listRecords},
		{"GET", "/v1/records/:kind/:id", admin, plainTime, g.showRecord},

		{"POST", "/v1/feeds", admin, plainTime, g.createFeed},
		{"GET", "/v1/feeds", admin, plainTime, g.listFeeds},
		{"DELETE", "/v1/feeds/:id", admin, plainTime, g.removeFeed},
		{"POST", "/v1/feeds/:id/rotate", admin, plainTime, g.rotateFeed},
		{"GET", "/feeds/:token/jobs.json", anyone, feedTime, g.jsonFeed},
		{"HEAD", "/feeds/:token/jobs.json", anyone, feedTime, g.jsonFeed},
		{"GET", "/feeds/:token/jobs.xml", anyone, feedTime, g.xmlFeed},
		{"HEAD", "/feeds/:token/jobs.xml", anyone, feedTime, g.xmlFeed},
		{"GET", "/feeds/:token/jobs.rss", anyone, feedTime, g.rssFeed},
		{"HEAD", "/feeds/:token/jobs.rss", anyone, feedTime, g.rssFeed},
		{"POST", "/v1/endpoints", admin, probeTime, g.createReceiver},
		{"GET", "/v1/endpoints", admin, plainTime, g.listReceivers},
		{"GET", "/v1/endpoints/:id", admin, plainTime, g.showOneReceiver},
		{"PATCH", "/v1/endpoints/:id", admin, plainTime, g.patchReceiver},
		{"DELETE", "/v1/endpoints/:id", admin, plainTime, g.deleteReceiver},
		{"POST", "/v1/endpoints/:id/rotate", admin, plainTime, g.rotateReceiver},
		{"POST", "/v1/endpoints/:id/test", admin, probeTime, g.testReceiver},
		{"POST", "/v1/endpoints/:id/pause", admin, plainTime, g.pauseReceiver},
		{"POST", "/v1/endpoints/:id/resume", admin, probeTime, g.resumeReceiver},
		{"POST", "/v1/endpoints/:id/replay", admin, probeTime, g.replayToReceiver},
		{"GET", "/v1/endpoints/:id/deliveries", admin, plainTime, g.listParcels},

		{"POST", "/v1/subscribers", admin, plainTime, g.forBoards(g.createSubscriber)},
		{"GET", "/v1/subscribers", admin, plainTime, g.forBoards(g.listSubscribers)},
		{"GET", "/v1/subscribers/:id", admin, plainTime, g.forBoards(g.showOneSubscriber)},
		{"PATCH", "/v1/subscribers/:id", admin, plainTime, g.forBoards(g.patchSubscriber)},
		{"DELETE", "/v1/subscribers/:id", admin, plainTime, g.forBoards(g.revokeSubscriber)},
		{"POST", "/v1/subscribers/:id/rotate", admin, plainTime, g.forBoards(g.rotateSubscriber)},
		{"POST", "/v1/subscribers/:id/replay", admin, plainTime, g.forBoards(g.replaySubscriber)},

		{"POST", "/hooks/ashby/:token", signed, hookTime, g.hook},
		{"POST", "/hooks/ashby/:token/:action", signed, hookTime, g.hook},
	}
}

// wrap is what every route has in common: its name for logs and metrics, the refusal of encoded bodies, its time, its
// access. parent is the context of all requests.
func (g *Gateway) wrap(parent context.Context, r route) fiber.Handler {
	label := r.label()
	return func(c *fiber.Ctx) error {
		x := exchangeOf(c)
		x.route = label
		if c.Request().Header.Peek(fiber.HeaderContentEncoding) != nil {
			return errEncodedBody
		}
		if r.access == admin {
			if err := g.authorize(c); err != nil {
				return err
			}
			c.Set(fiber.HeaderCacheControl, "no-store")
		}
		ctx, cancel := context.WithTimeout(parent, r.within)
		x.cancel = cancel
		defer x.release()
		c.SetUserContext(ctx)
		return r.handler(c)
	}
}
