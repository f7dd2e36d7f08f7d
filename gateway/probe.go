package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
// read itself, and 403 on apiKey.info alone does not say whether the key or the permission is wrong.
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
	switch {
	case err == nil:
	case errors.Is(err, ashby.ErrMissingPermission):
		return mirror.BuildReport(withoutJobs(info), false, modules), nil, nil
	default:
		return mirror.Report{}, nil, fmt.Errorf("probing the key by jobPosting.list: %w", err)
	}
	ids := make([]string, len(list.Records))
	for i, r := range list.Records {
		ids[i] = r.ID
	}
	return mirror.BuildReport(info, true, modules), ids, nil
}

// withoutJobs drops the permission that Ashby has just denied, whatever apiKey.info says of it.
func withoutJobs(info *ashby.APIKey) *ashby.APIKey {
	postings, ok := ashby.ResourceOf(ashby.KindPosting)
	if info == nil || !ok {
		return info
	}
	denied := *info
	denied.Scopes = slices.DeleteFunc(slices.Clone(info.Scopes), func(s string) bool { return s == postings.Scope })
	return &denied
}
