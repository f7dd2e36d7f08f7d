package gateway

import (
	"slices"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// access says who may call a route.
type access int

const (
	anyone access = iota
	// signed is for Ashby's webhooks: the handler checks the signature itself.
	signed
	// everyRole needs a token of any role, the others one of the roles that roles lists.
	everyRole
	toConnect
	toRead
	toOperate
	toAdminister
)

// roles are those that may call a route, the mightiest first; nil where no token is needed.
func (a access) roles() []mirror.Role {
	switch a {
	case everyRole:
		return mirror.Roles()
	case toConnect:
		return []mirror.Role{mirror.RoleAdmin, mirror.RoleOperator, mirror.RoleConnectOnly}
	case toRead:
		return []mirror.Role{mirror.RoleAdmin, mirror.RoleOperator, mirror.RoleReadOnly}
	case toOperate:
		return []mirror.Role{mirror.RoleAdmin, mirror.RoleOperator}
	case toAdminister:
		return []mirror.Role{mirror.RoleAdmin}
	default:
		return nil
	}
}

func (a access) needsToken() bool { return a != anyone && a != signed }

// check is errForbidden, with the roles that it takes, for a caller of another role.
func (a access) check(role mirror.Role) error {
	roles := a.roles()
	if slices.Contains(roles, role) {
		return nil
	}
	p := *errForbidden
	p.Roles = roles
	which := "one of the roles "
	if len(roles) == 1 {
		which = "the role "
	}
	p.Detail = "This needs a token with " + which + listed(roles) + "; this one has the role " + string(role) + "."
	return &p
}

func listed(roles []mirror.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, ", ")
}
