package ashby

import "context"

// APIKey is what Ashby tells of the key in use. It names neither the organisation nor the key's confidential option.
type APIKey struct {
	// Title is the name that the employer gave the key.
	Title string
	// Scopes are permissions such as jobs:read. HasScopes is false where the answer had none, as older ones: the
	// permissions are unknown then.
	Scopes    []string
	HasScopes bool
}

// APIKeyInfo asks Ashby about the key. ErrMissingPermission says only that the key may not read this: it is a good key
// all the same.
//
// https://developers.ashbyhq.com/reference/apikeyinfo
func (c *Client) APIKeyInfo(ctx context.Context) (APIKey, error) {
	const method = "apiKey.info"
	a, err := c.call(ctx, method, map[string]any{})
	if err != nil {
		return APIKey{}, err
	}
	o, err := parseObject(a.results)
	if err != nil {
		return APIKey{}, &APIError{Method: method, Reason: ErrMalformed, Cause: err}
	}
	return APIKey{Title: o.text("title"), Scopes: o.texts("scopes"), HasScopes: o.items("scopes") != nil}, nil
}
