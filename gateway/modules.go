package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// checkModules is errModules where a connection cannot have the modules.
func checkModules(asked, allowed []string) error {
	say := func(format string, args ...any) error {
		p := *errModules
		p.Detail = fmt.Sprintf(format, args...)
		return &p
	}
	for _, m := range asked {
		if !slices.Contains(ashby.Modules(), m) {
			return say("There is no module %s. There are: %s.", clip(m), strings.Join(ashby.Modules(), ", "))
		}
		if !slices.Contains(allowed, m) {
			return say("The operator does not allow the module %s (ASHBRIDGE_MODULES). Allowed are: %s.", m,
				strings.Join(allowed, ", "))
		}
	}
	if !slices.Contains(asked, defaultModule) {
		return say("The module %s must stay: every connection has it.", defaultModule)
	}
	return nil
}

// replaceModules fills in what changes with the modules. The present key is looked at anew, unless a new one was just
// probed with them: what it may not read is told by the report, and keeps nobody from asking for a module. Taking one
// away purges what was read with it, so it must not depend on an answer of Ashby's.
func (g *Gateway) replaceModules(ctx context.Context, conn mirror.Connection, p *mirror.ConnectionPatch) error {
	added, taken := without(p.Modules, conn.Modules), without(conn.Modules, p.Modules)
	if len(taken) > 0 {
		// Also of modules that another request may be adding this moment: what stays must belong to a module that does.
		p.PurgeKinds = foreignKinds(p.Modules)
	}
	if p.Key != nil {
		return nil
	}
	report, err := g.probeOwn(ctx, conn.ID, p.Modules)
	switch {
	case err == nil:
		p.Report = &report
	case len(added) > 0:
		return err
	default:
		g.log.WarnContext(ctx, "the key was not probed for fewer modules", "connection", conn.ID, "error", err)
	}
	return nil
}

// probeOwn looks anew at what the connection's own key may do.
func (g *Gateway) probeOwn(ctx context.Context, id string, modules []string) (mirror.Report, error) {
	key, err := g.ownKey(ctx, id)
	if err != nil {
		return mirror.Report{}, err
	}
	report, _, err := g.opts.Probe.Probe(ctx, key, modules)
	if err != nil {
		return mirror.Report{}, fmt.Errorf("probing the key: %w", err)
	}
	return showReport(report), nil
}

// ownKey opens the connection's API key.
func (g *Gateway) ownKey(ctx context.Context, id string) (ashby.Secret, error) {
	sealed, err := g.opts.Settings.SealedKey(ctx, id)
	if err != nil {
		return "", fmt.Errorf("reading the API key: %w", err)
	}
	key, err := g.opts.Seal.Open(sealed, id, seal.KindAPIKey)
	if err != nil {
		return "", fmt.Errorf("opening the API key: %w", err)
	}
	return key, nil
}
