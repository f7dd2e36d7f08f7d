package mirror

import "time"

// Role says what the bearer of a token may do.
type Role string

// The roles that there are.
const (
	// RoleAdmin may do everything.
	RoleAdmin Role = "admin"
	// RoleOperator may do everything but look at tokens, make them and revoke them.
	RoleOperator Role = "operator"
	// RoleReadOnly may look at everything but tokens and the audit log.
	RoleReadOnly Role = "read-only"
	// RoleConnectOnly may register employers, check their keys and see how their connections are.
	RoleConnectOnly Role = "connect-only"
)

// Roles returns all roles, the mightiest first.
func Roles() []Role { return []Role{RoleAdmin, RoleOperator, RoleReadOnly, RoleConnectOnly} }

// APIToken is a token of the HTTP API, without its text, of which only the SHA-256 is kept.
type APIToken struct {
	// ID is "tok_" and 32 hexadecimal digits.
	ID, Name string
	Role     Role
	// Hint is how the token's text begins.
	Hint      string
	CreatedAt time.Time
	// CreatedBy says in words who made it.
	CreatedBy string
	// LastUsedAt is right to a minute or two. All three are nil for never.
	LastUsedAt, ExpiresAt, RevokedAt *time.Time
}

// TokenQuery asks for tokens, by id.
type TokenQuery struct {
	// Revoked asks for revoked ones too.
	Revoked bool
	// After continues a list after its last id.
	After string
	// Limit is from 1 to 200.
	Limit int
}
