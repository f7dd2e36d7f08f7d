package ashby

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
)

// Resource is a row of the catalogue: all that the rest of a program needs to know of a kind.
type Resource struct {
	Kind Kind
	// Modules are the words by which a connection asks for the kind, "jobs" first where it is among them.
	Modules []string
	// Scope is the permission as apiKey.info spells it; UIModule is the box that grants it in Ashby's form.
	Scope, UIModule string
	// List and Info are the methods that read all and one; IDParam is the parameter by which Info takes the id. Info and
	// IDParam are empty where Ashby has no such method.
	List, Info, IDParam string
	// Single says that List answers with one object instead of a list.
	Single bool
	// Parent is the kind whose objects List is read for, one by one: ParentParam is the parameter that takes the
	// parent's id. Both are empty where List reads everything at once.
	Parent      Kind
	ParentParam string
	// Variants are the readings that List must be split into, each with its own cursor and sync token; nil: one.
	Variants []Variant
	// Paged says that List takes limit and cursor; SyncToken that it also reads only what changed since a token.
	Paged, SyncToken bool
	// ListParams and InfoParams are sent with every List and Info, beside paging, variant, parent and id. But for postings,
	// of which no list has the description, they ask for the same shape, so that an object does not seem to change with the
	// method that read it.
	ListParams, InfoParams map[string]any
	// Expand names what the methods could put in besides; what is asked for stands in the parameters.
	Expand []string
	// Drop names fields with employees' personal data, removed on arrival; a dot leads into an object.
	Drop []string
	// InfoAlone names fields that Info shows and List does not. They are removed from Info's answers, so that an object
	// does not seem to change with the method that read it.
	InfoAlone []string
	// Personal says that the kind belongs to opt-in modules alone, whose records are stored sealed.
	Personal bool
	// Actions are the webhook types that say that an object of this kind may have changed, in the order in which a
	// form should list them. A type may stand with several kinds.
	Actions []string

	// linked says that a row is the object of another kind, which many parents share: its id is made of both.
	linked bool
}

// Variant is one of the readings that a List is split into.
type Variant struct {
	// Name is stable: it is stored.
	Name   string
	Params map[string]any
}

// In says whether a connection with these modules asks for the kind.
func (r Resource) In(modules []string) bool {
	return slices.ContainsFunc(r.Modules, func(m string) bool { return slices.Contains(modules, m) })
}

// variant returns the parameters of a variant. A kind without variants has one, whose name is empty.
func (r Resource) variant(name string) (map[string]any, bool) {
	if len(r.Variants) == 0 {
		return nil, name == ""
	}
	for _, v := range r.Variants {
		if v.Name == name {
			return v.Params, true
		}
	}
	return nil, false
}

// clone returns a copy that shares nothing that can be changed.
func (r Resource) clone() Resource {
	r.Modules, r.Expand = slices.Clone(r.Modules), slices.Clone(r.Expand)
	r.Drop, r.Actions = slices.Clone(r.Drop), slices.Clone(r.Actions)
	r.InfoAlone = slices.Clone(r.InfoAlone)
	r.ListParams, r.InfoParams = cloneParams(r.ListParams), cloneParams(r.InfoParams)
	r.Variants = slices.Clone(r.Variants)
	for i, v := range r.Variants {
		r.Variants[i].Params = cloneParams(v.Params)
	}
	return r
}

func cloneParams(params map[string]any) map[string]any {
	params = maps.Clone(params)
	for name, value := range params {
		if list, ok := value.([]string); ok {
			params[name] = slices.Clone(list)
		}
	}
	return params
}

// resourceOf is ResourceOf for readers, without a copy.
func resourceOf(kind Kind) (Resource, bool) {
	i, ok := places[kind]
	if !ok {
		return Resource{}, false
	}
	return catalogue[i], true
}

var places = func() map[Kind]int {
	at := make(map[Kind]int, len(catalogue))
	for i, r := range catalogue {
		at[r.Kind] = i
	}
	return at
}()

// ResourceOf returns the catalogue's row of a kind, false where there is none. The caller owns the answer.
func ResourceOf(kind Kind) (Resource, bool) {
	r, ok := resourceOf(kind)
	return r.clone(), ok
}

// Children returns the kinds that are read once per object of the parent, in the catalogue's order. The caller owns the
// answer.
func Children(parent Kind) []Resource {
	var children []Resource
	for _, r := range catalogue {
		if parent != "" && r.Parent == parent {
			children = append(children, r.clone())
		}
	}
	return children
}

// WebhookActions returns the webhook types that an employer sets up for the modules, in the order in which a form
// should list them; no modules mean jobs. Ashby takes one setting per type.
//
// https://developers.ashbyhq.com/docs/setting-up-webhooks
func WebhookActions(modules ...string) []string {
	if len(modules) == 0 {
		modules = []string{moduleJobs}
	}
	var actions []string
	for _, r := range catalogue {
		if !r.In(modules) {
			continue
		}
		for _, action := range r.Actions {
			if !slices.Contains(actions, action) {
				actions = append(actions, action)
			}
		}
	}
	return actions
}

// ParamsHash returns a hash of all that a sync token or cursor of this kind and variant is bound to: the method, its
// parameters and the version of the API. A token stored under another hash must not be used. A kind without variants
// has the variant "". The hash is nil for an unknown kind or variant.
func ParamsHash(kind Kind, variant string) []byte {
	r, known := resourceOf(kind)
	params, ok := r.variant(variant)
	if !known || !ok {
		return nil
	}
	// Marshal sorts the keys of maps; the values are strings, booleans and lists of strings, so it cannot fail.
	doc, _ := json.Marshal(map[string]any{"method": r.List, "params": union(r.ListParams, params), "version": apiVersion})
	sum := sha256.Sum256(doc)
	return sum[:]
}

// union returns a new map with the entries of all.
func union(all ...map[string]any) map[string]any {
	united := map[string]any{}
	for _, params := range all {
		maps.Copy(united, params)
	}
	return united
}
