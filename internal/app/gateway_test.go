package app

import (
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

func TestBoardsAreToldNoCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  config.Config
		want string
	}{
		"as it is set":         {config.Config{NATSPublicURL: "tls://n.example", NATSURL: "nats://u:p@h:4222"}, "tls://n.example"},
		"without credentials":  {config.Config{NATSURL: "nats://gateway:p@h:4222"}, "nats://h:4222"},
		"several servers":      {config.Config{NATSURL: "nats://u:p@a:1, nats://b:2,tls://t@c:3"}, "nats://a:1,nats://b:2,tls://c:3"},
		"what cannot be read":  {config.Config{NATSURL: "nats://u:p@a:x,nats://b:2"}, "nats://b:2"},
		"no credentials there": {config.Config{NATSURL: "nats://h:4222"}, "nats://h:4222"},
	} {
		if got := natsURL(c.cfg); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
