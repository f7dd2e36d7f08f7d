package gateway

import (
	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/schema"
)

type indexJSON struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	OpenAPI     string `json:"openapi"`
	Connections string `json:"connections"`
	Jobs        string `json:"jobs"`
}

// index tells whoever opens the address in a browser what lives here.
func (*Gateway) index(c *fiber.Ctx) error {
	return writeJSON(c, fiber.StatusOK, indexJSON{
		Name:        "Ashbridge",
		Description: "Connects employers' Ashby accounts to a job board.",
		OpenAPI:     "/openapi.yaml", Connections: "/v1/connections", Jobs: "/v1/jobs",
	})
}

func (*Gateway) openAPI(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "application/yaml")
	return c.Send(schema.OpenAPI())
}
