package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// kinds are the words of all kinds, in the catalogue's order.
func kinds() []string {
	var words []string
	for _, r := range ashby.Catalogue() {
		words = append(words, string(r.Kind))
	}
	return words
}

// kindOf returns the catalogue's row of a kind, errUnknownKind with all the kinds where there is none.
func kindOf(word string) (ashby.Resource, error) {
	r, ok := ashby.ResourceOf(ashby.Kind(word))
	if !ok {
		p := *errUnknownKind
		p.Kinds = kinds()
		return r, &p
	}
	return r, nil
}

// requireKind is errModuleOff where none of the connection's modules has the kind.
func requireKind(r ashby.Resource, modules []string) error {
	if r.In(modules) {
		return nil
	}
	p := *errModuleOff
	p.Detail = fmt.Sprintf("The kind %s belongs to the module %s, which this connection does not have. Add it by a PATCH "+
		"of the connection's modules.", r.Kind, strings.Join(r.Modules, " or "))
	return &p
}

// foreignKinds are the kinds that none of the modules has.
func foreignKinds(modules []string) []string {
	var foreign []string
	for _, r := range ashby.Catalogue() {
		if !r.In(modules) {
			foreign = append(foreign, string(r.Kind))
		}
	}
	return foreign
}

// without are the modules that are not among others.
func without(modules, others []string) []string {
	return slices.DeleteFunc(slices.Clone(modules), func(m string) bool { return slices.Contains(others, m) })
}
