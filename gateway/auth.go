package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// authorize checks the bearer token. Hashes are compared, so that neither content nor length shows in the time.
func (g *Gateway) authorize(c *fiber.Ctx) error {
	scheme, token, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	got := sha256.Sum256([]byte(token))
	same := subtle.ConstantTimeCompare(got[:], g.adminHash[:]) == 1
	if !same || !strings.EqualFold(scheme, "Bearer") {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="ashbridge"`)
		return errNoToken
	}
	return nil
}
