package ashby

import (
	"crypto/sha256"
	"encoding/json"
)

// Kind names a kind of object. The words are stable: they are stored and occur in subjects.
type Kind string

// The kinds of the module jobs.
const (
	KindJob        Kind = "job"
	KindPosting    Kind = "posting"
	KindLocation   Kind = "location"
	KindDepartment Kind = "department"
)

// Resource is a row of the catalogue: all that the rest of a program needs to know of a kind.
type Resource struct {
	Kind Kind
	// Module is the word by which a connection asks for the kind.
	Module string
	// Scope is the permission as apiKey.info spells it; UIModule is the box that grants it in Ashby's form.
	Scope, UIModule string
	// List and Info are the methods that read all and one; IDParam is the parameter by which Info takes the id.
	List, Info, IDParam string
	// Paged says that List takes limit and cursor; SyncToken that it also reads only what changed since a token.
	Paged, SyncToken bool
	// ListParams and InfoParams are sent with every List and Info, beside paging and id.
	ListParams, InfoParams map[string]any
	// Drop names top-level fields with employees' personal data, removed on arrival.
	Drop []string
	// Actions are the webhook types that say that an object of this kind may have changed, in the order in which a
	// form should list them.
	Actions []string
}

// Catalogue returns the kinds in the order in which a first sync reads them: postings first, as they are what a job
// board waits for. The caller owns the answer.
//
// Scopes and parameters: https://developers.ashbyhq.com/reference
func Catalogue() []Resource {
	personal := func() []string { return []string{"author", "hiringTeam"} }
	return []Resource{
		{
			Kind: KindPosting, Module: "jobs", Scope: "jobs:read", UIModule: "Jobs",
			// The list takes neither limit nor cursor nor token, and answers with published postings alone, unlisted ones
			// included, as long as nothing else is asked for.
			List: "jobPosting.list", Info: "jobPosting.info", IDParam: "jobPostingId",
			ListParams: map[string]any{},
			// With unpublished ones included, a read tells a draft from a deleted posting.
			InfoParams: map[string]any{"includeUnpublishedJobPostings": true, "expand": []string{"job"}},
			Drop:       personal(),
			Actions:    []string{"jobPostingPublish", "jobPostingUnpublish", "jobPostingUpdate", "jobPostingDelete"},
		},
		{
			Kind: KindJob, Module: "jobs", Scope: "jobs:read", UIModule: "Jobs",
			List: "job.list", Info: "job.info", IDParam: "id", Paged: true, SyncToken: true,
			// Once status is sent at all, every wanted one must be named; drafts come in no other way.
			ListParams: map[string]any{"status": []string{"Draft", "Open", "Closed", "Archived"}},
			InfoParams: map[string]any{},
			Drop:       personal(),
			Actions:    []string{"jobCreate", "jobUpdate"},
		},
		{
			Kind: KindLocation, Module: "jobs", Scope: "organization:read", UIModule: "Organization",
			List: "location.list", Info: "location.info", IDParam: "locationId", Paged: true, SyncToken: true,
			// Archived rows would vanish without a word otherwise.
			ListParams: map[string]any{"includeArchived": true},
			InfoParams: map[string]any{},
		},
		{
			Kind: KindDepartment, Module: "jobs", Scope: "organization:read", UIModule: "Organization",
			List: "department.list", Info: "department.info", IDParam: "departmentId", Paged: true, SyncToken: true,
			ListParams: map[string]any{"includeArchived": true},
			InfoParams: map[string]any{},
		},
	}
}

// ResourceOf returns the catalogue's row of a kind, false where there is none.
func ResourceOf(kind Kind) (Resource, bool) {
	for _, r := range Catalogue() {
		if r.Kind == kind {
			return r, true
		}
	}
	return Resource{}, false
}

// WebhookActions returns the webhook types that an employer sets up for the module jobs, in the order in which a form
// should list them. Ashby takes one setting per type.
//
// https://developers.ashbyhq.com/docs/setting-up-webhooks
func WebhookActions() []string {
	var actions []string
	for _, r := range Catalogue() {
		actions = append(actions, r.Actions...)
	}
	return actions
}

// ParamsHash returns a hash of all that a sync token of this kind is bound to: the method, its parameters and the
// version of the API. A token stored under another hash must not be used. It is nil for an unknown kind.
func ParamsHash(kind Kind) []byte {
	r, ok := ResourceOf(kind)
	if !ok {
		return nil
	}
	// Marshal sorts the keys of maps; the values are strings, booleans and lists of strings, so it cannot fail.
	doc, _ := json.Marshal(map[string]any{"method": r.List, "params": r.ListParams, "version": apiVersion})
	sum := sha256.Sum256(doc)
	return sum[:]
}

// kindOfAction returns the kind that a webhook action touches.
func kindOfAction(action string) (Kind, bool) {
	kind, known := kindsByAction[action]
	return kind, known
}

var kindsByAction = func() map[string]Kind {
	kinds := map[string]Kind{}
	for _, r := range Catalogue() {
		for _, action := range r.Actions {
			kinds[action] = r.Kind
		}
	}
	return kinds
}()
