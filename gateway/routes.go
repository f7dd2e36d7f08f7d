package gateway

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
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
	// action is what the audit log calls it; empty where no token is needed.
	action  string
	handler func(c *fiber.Ctx) error
}

func (r route) label() string { return r.method + " " + r.path }

// routes is the whole HTTP surface, as schema/openapi.yaml describes it.
func (g *Gateway) routes() []route {
	return []route{
		{"GET", "/", anyone, plainTime, "", g.index},
		{"GET", "/openapi.yaml", anyone, plainTime, "", g.openAPI},

		{"POST", "/v1/connections", toConnect, probeTime, "connection.create", g.createConnection},
		{"POST", "/v1/connections/check", toConnect, probeTime, "connection.check_key", g.checkKey},
		{"GET", "/v1/connections", everyRole, plainTime, "connection.list", g.listConnections},
		{"GET", "/v1/connections/:id", everyRole, plainTime, "connection.show", g.showConnection},
		{"PATCH", "/v1/connections/:id", toOperate, probeTime, actUpdateConnection, g.patchConnection},
		{"DELETE", "/v1/connections/:id", toOperate, probeTime, "connection.remove", g.removeConnection},
		{"POST", "/v1/connections/:id/sync", toOperate, plainTime, "connection.sync", g.syncConnection},
		{"POST", "/v1/connections/:id/webhooks", toOperate, probeTime, "connection.set_up_webhooks", g.setUpWebhooks},
		{"GET", "/v1/connections/:id/quarantine", toRead, plainTime, "connection.quarantine", g.listQuarantine},
		{"GET", "/v1/connections/:id/runs", toRead, plainTime, "connection.runs", g.listRuns},

		{"GET", "/v1/holds", toRead, plainTime, "hold.list", g.listHolds},
		{"POST", "/v1/holds/:id/approve", toOperate, plainTime, "hold.approve", g.approveHold},
		{"POST", "/v1/holds/:id/reject", toOperate, plainTime, "hold.reject", g.rejectHold},

		{"GET", "/v1/jobs", toRead, plainTime, "job.list", g.listJobs},
		{"GET", "/v1/jobs/:id", toRead, plainTime, "job.show", g.showJob},
		{"GET", "/v1/jobs/:id/history", toRead, plainTime, "job.history", g.showHistory},

		{"GET", "/v1/records/:kind", toRead, plainTime, "record.list", g.listRecords},
		{"GET", "/v1/records/:kind/:id", toRead, plainTime, "record.show", g.showRecord},

		{"POST", "/v1/feeds", toOperate, plainTime, "feed.create", g.createFeed},
		{"GET", "/v1/feeds", toRead, plainTime, "feed.list", g.listFeeds},
		{"DELETE", "/v1/feeds/:id", toOperate, plainTime, "feed.remove", g.removeFeed},
		{"POST", "/v1/feeds/:id/rotate", toOperate, plainTime, "feed.rotate", g.rotateFeed},
		{"GET", "/feeds/:token/jobs.json", anyone, feedTime, "", g.jsonFeed},
		{"HEAD", "/feeds/:token/jobs.json", anyone, feedTime, "", g.jsonFeed},
		{"GET", "/feeds/:token/jobs.xml", anyone, feedTime, "", g.xmlFeed},
		{"HEAD", "/feeds/:token/jobs.xml", anyone, feedTime, "", g.xmlFeed},
		{"GET", "/feeds/:token/jobs.rss", anyone, feedTime, "", g.rssFeed},
		{"HEAD", "/feeds/:token/jobs.rss", anyone, feedTime, "", g.rssFeed},
		{"POST", "/v1/endpoints", toOperate, probeTime, "endpoint.create", g.createReceiver},
		{"GET", "/v1/endpoints", toRead, plainTime, "endpoint.list", g.listReceivers},
		{"GET", "/v1/endpoints/:id", toRead, plainTime, "endpoint.show", g.showOneReceiver},
		{"PATCH", "/v1/endpoints/:id", toOperate, plainTime, "endpoint.update", g.patchReceiver},
		{"DELETE", "/v1/endpoints/:id", toOperate, plainTime, "endpoint.remove", g.deleteReceiver},
		{"POST", "/v1/endpoints/:id/rotate", toOperate, plainTime, "endpoint.rotate", g.rotateReceiver},
		{"POST", "/v1/endpoints/:id/test", toOperate, probeTime, "endpoint.test", g.testReceiver},
		{"POST", "/v1/endpoints/:id/pause", toOperate, plainTime, "endpoint.pause", g.pauseReceiver},
		{"POST", "/v1/endpoints/:id/resume", toOperate, probeTime, "endpoint.resume", g.resumeReceiver},
		{"POST", "/v1/endpoints/:id/replay", toOperate, probeTime, "endpoint.replay", g.replayToReceiver},
		{"GET", "/v1/endpoints/:id/deliveries", toRead, plainTime, "endpoint.deliveries", g.listParcels},

		{"POST", "/v1/subscribers", toOperate, plainTime, "subscriber.create", g.forBoards(g.createSubscriber)},
		{"GET", "/v1/subscribers", toRead, plainTime, "subscriber.list", g.forBoards(g.listSubscribers)},
		{"GET", "/v1/subscribers/:id", toRead, plainTime, "subscriber.show", g.forBoards(g.showOneSubscriber)},
		{"PATCH", "/v1/subscribers/:id", toOperate, plainTime, "subscriber.update", g.forBoards(g.patchSubscriber)},
		{"DELETE", "/v1/subscribers/:id", toOperate, plainTime, "subscriber.revoke", g.forBoards(g.revokeSubscriber)},
		{"POST", "/v1/subscribers/:id/rotate", toOperate, plainTime, "subscriber.rotate", g.forBoards(g.rotateSubscriber)},
		{"POST", "/v1/subscribers/:id/replay", toOperate, plainTime, "subscriber.replay", g.forBoards(g.replaySubscriber)},

		{"POST", "/v1/tokens", toAdminister, plainTime, "token.create", g.createToken},
		{"GET", "/v1/tokens", toAdminister, plainTime, "token.list", g.listTokens},
		{"DELETE", "/v1/tokens/:id", toAdminister, plainTime, "token.revoke", g.revokeToken},
		{"GET", "/v1/whoami", everyRole, plainTime, "token.show", g.whoami},
		{"GET", "/v1/audit", toOperate, plainTime, "audit.list", g.listAudit},

		{"POST", "/hooks/ashby/:token", signed, hookTime, "", g.hook},
		{"POST", "/hooks/ashby/:token/:action", signed, hookTime, "", g.hook},
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
		ctx, cancel := context.WithTimeout(parent, r.within)
		x.cancel = cancel
		defer x.release()
		c.SetUserContext(ctx)
		if !r.access.needsToken() {
			return r.handler(c)
		}
		if err := g.authorize(ctx, c, r); err != nil {
			return err
		}
		c.Set(fiber.HeaderCacheControl, "no-store")
		return g.audited(ctx, c, r)
	}
}
