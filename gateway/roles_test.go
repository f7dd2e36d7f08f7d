package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// may is what the roles are promised to be, told apart from the route table.
func may(role mirror.Role, method, path string) bool {
	isAbout := func(what string) bool { return path == what || strings.HasPrefix(path, what+"/") }
	switch role {
	case mirror.RoleAdmin:
		return true
	case mirror.RoleOperator:
		return !isAbout("/v1/tokens")
	case mirror.RoleReadOnly:
		return method == http.MethodGet && !isAbout("/v1/tokens") && !isAbout("/v1/audit")
	case mirror.RoleConnectOnly:
		return slices.Contains([]string{
			"POST /v1/connections", "POST /v1/connections/check", "GET /v1/connections", "GET /v1/connections/:id", "GET /v1/whoami",
		}, method+" "+path)
	}
	return false
}

// pathOf is the path of a route with ids that name nothing.
func pathOf(r route) string {
	return strings.NewReplacer(":id", "x", ":kind", "candidate", ":token", "x", ":action", "x").Replace(r.path)
}

func TestEachRoleMayDoWhatItIsPromised(t *testing.T) {
	t.Parallel()
	b := setup(t, allowAll)
	held := map[mirror.Role]string{"": ""}
	for _, role := range mirror.Roles() {
		held[role] = b.token(role).Token
	}
	for _, r := range b.routes() {
		for role, token := range held {
			b.clock.add(failureWindow / 2) // so that nobody is refused for too many failures
			q := request{method: r.method, path: pathOf(r), anonymous: true}
			if token != "" {
				q.header = map[string]string{"Authorization": "Bearer " + token}
			}
			a := b.call(q)
			switch {
			case !strings.HasPrefix(r.path, "/v1/"):
				if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
					t.Errorf("%s needs a token", r.label())
				}
			case role == "":
				a.problem(t, 401, "unauthorized")
			case may(role, r.method, r.path):
				if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
					t.Errorf("%s may not %s: %s", role, r.label(), a.body)
				}
			default:
				p := a.problem(t, 403, "forbidden")
				if slices.Contains(p.Roles, role) || len(p.Roles) == 0 || !strings.Contains(p.Detail, string(p.Roles[0])) ||
					!strings.Contains(p.Detail, string(role)) {
					t.Errorf("%s as %s: %s", r.label(), role, a.body)
				}
			}
		}
	}
}

func TestDocumentSaysWhichRolesMayCall(t *testing.T) {
	t.Parallel()
	paths := readContract(t).Paths
	for _, r := range prepare(t).routes() {
		var op struct {
			Roles []mirror.Role `yaml:"x-roles"`
		}
		node := paths[fiberParam.ReplaceAllString(r.path, "{$1}")][strings.ToLower(r.method)]
		if err := node.Decode(&op); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(op.Roles, r.access.roles()) {
			t.Errorf("%s: documented %v, served %v", r.label(), op.Roles, r.access.roles())
		}
	}
}

// What a registration form is shown, and nothing that it could not see at the registration.
func TestConnectOnlyShowsNoSecretTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.prober.set(goodKey, probeAnswer{report: okReport()})
	form := b.token(mirror.RoleConnectOnly).Token
	as := func(method, path string, body any) answer {
		return b.call(request{method: method, path: path, body: body, header: map[string]string{"Authorization": "Bearer " + form}})
	}
	a := as("POST", "/v1/connections", registrationBody(nil))
	var e connectionJSON
	a.into(t, &e)
	if a.status != http.StatusCreated || e.WebhookSetup.Secret == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, path := range []string{"/v1/connections", "/v1/connections/" + e.ID} {
		a := as("GET", path, nil)
		for _, secret := range []string{e.WebhookSetup.Secret, goodKey} {
			if a.status != http.StatusOK || strings.Contains(string(a.body), secret) {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	}
	for _, r := range []request{
		{method: "PATCH", path: "/v1/connections/" + e.ID, body: map[string]any{"rotate_webhook_secret": true}},
		{method: "DELETE", path: "/v1/connections/" + e.ID + "?jobs=close"},
		{method: "GET", path: "/v1/connections/" + e.ID + "/runs"},
	} {
		as(r.method, r.path, r.body).problem(t, 403, "forbidden")
	}
	if b.store.conns[e.ID].Status != mirror.StatusActive {
		t.Error("what was refused was done")
	}
	// Each refusal is written down, with what was to be done.
	var told []string
	for _, act := range b.store.actsNow() {
		if act.Outcome == mirror.ActRefused {
			told = append(told, fmt.Sprint(act.Action, " ", act.Role, " ", *act.Status, " ", act.Connection == e.ID))
		}
	}
	want := []string{
		"connection.rotate_webhook_secret connect-only 403 true", "connection.remove connect-only 403 true",
		"connection.runs connect-only 403 true",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
}
