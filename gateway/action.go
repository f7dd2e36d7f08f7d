package gateway

import (
	"fmt"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// The words that say what kind of reason a status has, as the syncer stores them.
const (
	codeUnauthorized = "unauthorized"
	codePermission   = "missing_permission"
	codeRateLimited  = "rate_limited"
	codeMalformed    = "malformed"
	codeImplausible  = "implausible"
	codeError        = "error"
)

// askOperator is for what lies neither with the employer nor in its power.
const askOperator = "Nothing needs to be done in Ashby. If it lasts for more than a day, tell whoever runs Ashbridge."

// actionOf says in a sentence what the employer should do; empty where nothing is to be done.
func actionOf(v mirror.View) string {
	switch v.Status {
	case mirror.StatusRemoved:
		return ""
	case mirror.StatusPaused:
		return "Resume the connection when its jobs should follow Ashby again: it is paused on purpose."
	case mirror.StatusUnauthorized:
		return replaceKeyAction(v)
	}
	switch v.StatusCode {
	case codeUnauthorized:
		return replaceKeyAction(v)
	case codePermission:
		return "In Ashby, open Admin, Integrations, API Keys, choose the key" + keyEnd(v) + ", Configure API Key " +
			"Permissions, and tick read on Jobs. Ashbridge notices it by itself."
	case codeRateLimited:
		return "If another program uses the same key, give Ashbridge a key of its own; otherwise it settles by itself."
	case codeMalformed, codeImplausible, codeError:
		return askOperator
	}
	// That Ashby or a store of ours does not answer passes without anybody's doing.
	return moduleAction(v)
}

func replaceKeyAction(v mirror.View) string {
	return "Make a new API key in Ashby under Admin, Integrations, API Keys, and enter it in place of the present one" +
		keyEnd(v) + ", which Ashby does not accept any more. No job is closed meanwhile."
}

// keyEnd names the key by its last characters, as far as they may be shown.
func keyEnd(v mirror.View) string {
	if v.KeyLast4 == "" {
		return ""
	}
	return " that ends in " + v.KeyLast4
}

// moduleAction is what to do for modules that pause though the connection works.
func moduleAction(v mirror.View) string {
	var paused []string
	for _, m := range v.ModuleStates {
		if m.State == mirror.ModulePaused {
			paused = append(paused, m.Module)
		}
	}
	if len(paused) == 0 {
		return ""
	}
	return fmt.Sprintf("Give the key%s the permissions that module_states names, in Ashby under Admin, Integrations, API "+
		"Keys, or take these modules away: %s. Everything else goes on.", keyEnd(v), strings.Join(paused, ", "))
}
