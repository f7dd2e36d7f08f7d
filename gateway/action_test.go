package gateway

import (
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestActionSaysWhatTheEmployerShouldDo(t *testing.T) {
	t.Parallel()
	paused := []mirror.ModuleState{
		{Module: "candidates", State: mirror.ModulePaused, Reason: "x"}, {Module: "offers", State: mirror.ModuleActive},
	}
	for name, c := range map[string]struct {
		status  mirror.Status
		code    string
		modules []mirror.ModuleState
		want    string
	}{
		"all is well":            {mirror.StatusActive, "", nil, ""},
		"a module pauses":        {mirror.StatusActive, "", paused, "candidates"},
		"removed":                {mirror.StatusRemoved, "unauthorized", paused, ""},
		"paused":                 {mirror.StatusPaused, "", nil, "Resume"},
		"unauthorized":           {mirror.StatusUnauthorized, "unauthorized", nil, "new API key in Ashby"},
		"an older row":           {mirror.StatusUnauthorized, "", nil, "ends in 9d1c"},
		"refused for the moment": {mirror.StatusDegraded, "unauthorized", nil, "new API key in Ashby"},
		"permission":             {mirror.StatusDegraded, "missing_permission", paused, "tick read on Jobs"},
		"rate":                   {mirror.StatusDegraded, "rate_limited", nil, "key of its own"},
		"unavailable":            {mirror.StatusDegraded, "unavailable", nil, ""},
		"store":                  {mirror.StatusDegraded, "store_unavailable", nil, ""},
		"malformed":              {mirror.StatusDegraded, "malformed", nil, askOperator},
		"implausible":            {mirror.StatusDegraded, "implausible", nil, askOperator},
		"error":                  {mirror.StatusDegraded, "error", nil, askOperator},
		"an unknown code":        {mirror.StatusDegraded, "strange", nil, ""},
	} {
		v := mirror.View{
			Connection:   mirror.Connection{Status: c.status, StatusCode: c.code, KeyLast4: "9d1c"},
			ModuleStates: c.modules,
		}
		got := actionOf(v)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) || strings.Contains(got, "offers") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestConnectionShowsItsModules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	now := b.clock.now()
	b.store.change(func() {
		c := b.store.conns[e.ID]
		c.Status, c.StatusCode, c.StatusReason = mirror.StatusDegraded, "unavailable", "Ashby cannot be reached or fails."
		c.modules = []mirror.ModuleState{
			{Module: "candidates", State: mirror.ModulePaused, Reason: "May not read candidates.", Since: now},
			{Module: "offers", State: mirror.ModuleActive, Since: now, CompleteAt: &now},
		}
	})
	var c connectionJSON
	b.call(request{method: "GET", path: "/v1/connections/" + e.ID}).into(t, &c)
	if c.StatusCode != "unavailable" || !strings.Contains(c.Action, "candidates") || len(c.ModuleStates) != 2 ||
		c.ModuleStates[0].State != "paused" || c.ModuleStates[0].CompleteAt != nil || c.ModuleStates[1].CompleteAt == nil {
		t.Errorf("%+v", c)
	}
}
