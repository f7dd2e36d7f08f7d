package mirror

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// BuildReport compares an API key's permissions with what the modules need; jobs is among them, named or not. Info is
// Ashby's answer to apiKey.info, nil where that was forbidden. Readable tells of each scope that was tried whether a
// listing of it was answered, which counts more than what info says; jobs:read is always tried.
//
// Jobs read is what a connection cannot do without. What another module needs makes its line Missing, and the report stays
// OK: that module pauses until the permission comes. Organization read, unless its module is asked for, and API Keys read
// are recommended: without the first, only primary locations have an address; without the second, the other permissions
// stay unknown.
func BuildReport(info *ashby.APIKey, readable map[string]bool, modules []string) Report {
	if !slices.Contains(modules, moduleJobs) {
		modules = append([]string{moduleJobs}, modules...)
	}
	k := keyView{info: info, readable: readable}
	r := Report{OK: true, ProbedBy: "jobPosting.list", Permissions: []Permission{}, Advice: []string{}}
	if info != nil {
		r.ProbedBy, r.KeyTitle = "apiKey.info", info.Title
	}
	needed := needs(modules)
	for _, p := range needed {
		p.State = k.state(p.Scope)
		if p.State == Missing || p.State == Unknown {
			p.Fix = k.fix("tick", p)
		}
		if p.Scope == mainScope(moduleJobs) && p.State != Granted {
			r.OK = false
		}
		r.Permissions = append(r.Permissions, p)
	}
	r.Permissions = append(r.Permissions, k.excess(needed)...)
	r.Advice = advice(r, modules)
	return r
}

const (
	moduleJobs = "jobs"
	// selfCheck is the permission to ask Ashby about the key itself.
	selfCheck = "apiKeys:read"
)

// mainScope is the permission that a module is about: that of its first kind. Others complete it.
func mainScope(module string) string {
	for _, r := range ashby.Catalogue() {
		if r.In([]string{module}) {
			return r.Scope
		}
	}
	return ""
}

// modulesAbout are those of the modules that are about a permission.
func modulesAbout(scope string, modules []string) []string {
	return slices.DeleteFunc(slices.Clone(modules), func(m string) bool { return mainScope(m) != scope })
}

// purposes say what a permission is for.
var purposes = map[string]string{
	"jobs:read":                  "Reads jobs and their postings, which is what Ashbridge publishes.",
	"organization:read":          "Reads the full addresses of all locations and the names that candidates see.",
	"candidates:read":            "Reads candidates and their applications, feedback and notes, which are stored sealed.",
	"interviews:read":            "Reads interviews, their plans and their schedules, which are stored sealed.",
	"offers:read":                "Reads offers, which are stored sealed.",
	"hiringProcessMetadata:read": "Reads sources, reasons, custom fields and forms, which are stored sealed.",
	"approvals:read":             "Reads approvals, which are stored sealed.",
	selfCheck:                    "Lets Ashbridge see this key's permissions and tell you what is missing or too much.",
}

// needs are the permissions that the modules' kinds are read with, and the self-check.
func needs(modules []string) []Permission {
	var list []Permission
	for _, r := range ashby.Catalogue() {
		known := slices.ContainsFunc(list, func(p Permission) bool { return p.Scope == r.Scope })
		if known || !r.In(modules) {
			continue
		}
		p := Permission{
			Module: r.UIModule, Access: "read", Scope: r.Scope,
			Required: len(modulesAbout(r.Scope, modules)) > 0, Why: purposes[r.Scope],
		}
		switch {
		case r.Scope == "organization:read" && p.Required:
			p.Why += " Reads the organisation's users too, who are stored sealed."
		case !p.Required && r.Personal:
			p.Why = "Reads " + completes(r.Scope, modules) + "."
		}
		list = append(list, p)
	}
	return append(list, Permission{
		Module: moduleNames["apiKeys"], Access: "read", Scope: selfCheck, Why: purposes[selfCheck],
	})
}

// completes names what the modules read with a permission that none of them is about.
func completes(scope string, modules []string) string {
	var parts []string
	for _, r := range ashby.Catalogue() {
		if r.Scope == scope && r.In(modules) {
			parts = append(parts, fmt.Sprintf("%s for the module %s", r.Kind, r.Modules[0]))
		}
	}
	return strings.Join(parts, ", ")
}

// moduleNames are Ashby's names of the modules on its key page, by the first part of a scope.
var moduleNames = map[string]string{
	"jobs": "Jobs", "candidates": "Candidates", "interviews": "Interviews",
	"hiringProcessMetadata": "Hiring Process", "organization": "Organization", "offers": "Offers",
	"apiKeys": "API Keys", "approvals": "Approvals", "reports": "Reports", "auditLogs": "Audit Logs",
	"notetaker": "Notetaker", "sourcing": "Sourcing",
}

// keyView is what is known of a key.
type keyView struct {
	info *ashby.APIKey
	// readable has the scopes of which a listing was tried.
	readable map[string]bool
}

func (k keyView) state(scope string) PermissionState {
	answered, tried := k.readable[scope]
	switch {
	case tried && answered:
		return Granted
	case tried:
		return Missing
	case k.info != nil && slices.Contains(k.info.Scopes, scope):
		return Granted
	case scope == selfCheck && k.info != nil: // it answered
		return Granted
	case scope == selfCheck: // it was forbidden
		return Missing
	case k.info != nil && k.info.HasScopes:
		return Missing
	case scope == mainScope(moduleJobs): // nothing says that it is there
		return Missing
	}
	return Unknown
}

// excess are the permissions of the key that nothing needs, in the order of their scopes.
func (k keyView) excess(needed []Permission) []Permission {
	if k.info == nil {
		return nil
	}
	var list []Permission
	for _, scope := range slices.Compact(slices.Sorted(slices.Values(k.info.Scopes))) {
		if slices.ContainsFunc(needed, func(p Permission) bool { return p.Scope == scope }) {
			continue
		}
		prefix, access, ok := strings.Cut(scope, ":")
		if !ok {
			access = "access"
		}
		module := first(moduleNames[prefix], prefix)
		p := Permission{Module: module, Access: access, Scope: scope, State: Excess, Why: tooMuch(prefix, access)}
		p.Fix = k.fix("untick", p)
		list = append(list, p)
	}
	return list
}

func tooMuch(module, access string) string {
	switch {
	case module == "apiKeys" && access != "read":
		return "Ashbridge needs it only to make its webhook settings by itself. Whoever got hold of this key could do more with it."
	case access != "read":
		return "Ashbridge changes nothing at Ashby. Whoever got hold of this key could."
	case module == "candidates":
		return "Candidates' personal data is not needed to publish jobs."
	default:
		return "Ashbridge does not use it. A key should open no more than it must."
	}
}

// fix is the click path, in the words of Ashby's pages.
func (k keyView) fix(verb string, p Permission) string {
	name := "the key"
	if k.info != nil && k.info.Title != "" {
		name = "“" + k.info.Title + "”"
	}
	return fmt.Sprintf("Ashby → Admin → Integrations → API Keys → %s → Configure API Key Permissions → %s → %s %s",
		name, p.Module, verb, p.Access)
}

// advice are the sentences that follow from a report.
func advice(r Report, modules []string) []string {
	var required, recommended, excess []string
	for _, p := range r.Permissions {
		give := fmt.Sprintf("Give the key %s on %s", p.Access, p.Module)
		paused := modulesAbout(p.Scope, modules)
		switch {
		case p.State == Excess:
			excess = append(excess, fmt.Sprintf("Take %s on %s away from the key: %s", p.Access, p.Module, p.Fix))
		case p.State == Granted:
		case slices.Contains(paused, moduleJobs):
			required = append(required, give+"; without it Ashbridge cannot work: "+p.Fix)
		case p.State != Missing:
		case p.Required:
			required = append(required, give+"; until then the module "+strings.Join(paused, " and ")+" stays paused: "+p.Fix)
		default:
			recommended = append(recommended, give+": "+p.Fix)
		}
	}
	list := append([]string{}, required...)
	list = append(list, recommended...)
	list = append(list, excess...)
	if r.KeyTitle != "" && !strings.Contains(strings.ToLower(r.KeyTitle), "ashbridge") {
		list = append(list, "Name a key “Ashbridge” when you make one for it, so that colleagues see what it is for.")
	}
	return append(list, "Ashby does not tell how two settings of the key stand, so please look yourself: “Allow access to "+
		"confidential jobs and projects?” should be off, and the integration partner is the one your job board named, or none.")
}
