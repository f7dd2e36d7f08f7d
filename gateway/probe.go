package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Prober finds out what an API key may do.
type Prober interface {
	// Probe returns the report and the ids of the postings that the key lists; nil where it may not list them.
	// ashby.ErrUnauthorized for a key that Ashby does not take; any other error means that Ashby gave no usable
	// answer.
	Probe(ctx context.Context, key ashby.Secret, modules []string) (mirror.Report, []string, error)
}

// AshbyProber asks Ashby.
type AshbyProber struct {
	// NewClient returns a client with the key.
	NewClient func(key ashby.Secret) (*ashby.Client, error)
}

// Probe asks apiKey.info what the key may do, and jobPosting.list in any case: a key need not have the permission to
// read itself, and 403 on apiKey.info alone does not say whether the key or the permission is wrong. Of each opt-in
// module's permissions it tries one listing.
//
// https://developers.ashbyhq.com/reference/authentication
func (p AshbyProber) Probe(
	ctx context.Context, key ashby.Secret, modules []string,
) (mirror.Report, []string, error) {
	client, err := p.NewClient(key)
	if err != nil {
		return mirror.Report{}, nil, fmt.Errorf("making an Ashby client: %w", err)
	}
	var info *ashby.APIKey
	switch answer, err := client.APIKeyInfo(ctx); {
	case err == nil:
		info = &answer
	case !errors.Is(err, ashby.ErrMissingPermission) && !errors.Is(err, ashby.ErrUnauthorized):
		return mirror.Report{}, nil, fmt.Errorf("probing the key by apiKey.info: %w", err)
	}
	list, err := client.Postings(ctx)
	readable := map[string]bool{}
	switch {
	case err == nil:
		readable[postingScope()] = true
	case errors.Is(err, ashby.ErrMissingPermission):
		readable[postingScope()] = false
	default:
		return mirror.Report{}, nil, fmt.Errorf("probing the key by jobPosting.list: %w", err)
	}
	for scope, kind := range samples(modules) {
		switch _, err := client.Page(ctx, kind, ashby.PageRequest{}); {
		case err == nil:
			readable[scope] = true
		case errors.Is(err, ashby.ErrMissingPermission):
			readable[scope] = false
		case errors.Is(err, ashby.ErrUnauthorized):
			return mirror.Report{}, nil, fmt.Errorf("probing the key by a listing of %s: %w", kind, err)
		default:
			// What the key says of itself has to do. The connection stands or falls with its postings.
		}
	}
	var ids []string
	for _, r := range list.Records {
		ids = append(ids, r.ID)
	}
	return mirror.BuildReport(info, readable, modules), ids, nil
}

func postingScope() string {
	r, _ := ashby.ResourceOf(ashby.KindPosting)
	return r.Scope
}

// samples names for each permission that the opt-in modules need a kind whose listing shows whether it is there. What
// the listing holds is looked at by nobody.
func samples(modules []string) map[string]ashby.Kind {
	kinds := map[string]ashby.Kind{}
	for _, r := range ashby.Catalogue() {
		_, sampled := kinds[r.Scope]
		isWhole := r.Parent == "" && len(r.Variants) == 0 && !r.Single
		if r.Personal && r.In(modules) && isWhole && r.Paged && !sampled && r.Scope != postingScope() {
			kinds[r.Scope] = r.Kind
		}
	}
	return kinds
}
