package ashbytest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// endpoints gives the methods of a kind.
func (k *kind) endpoints() map[string]endpoint {
	out := make(map[string]endpoint)
	if k.list != "" {
		e := endpoint{scope: k.scope, params: k.listParams(), run: k.runList}
		for _, name := range []string{k.parentParam, k.needs} {
			if name != "" {
				e.required = append(e.required, name)
			}
		}
		out[k.list] = e
	}
	if k.info != "" {
		e := endpoint{scope: k.scope, required: []string{k.idParam}, params: map[string]rule{}, run: k.runInfo}
		for i, name := range strings.Split(k.idParam, "|") {
			e.params[name] = isText
			if i == 0 {
				e.params[name] = isID
			}
		}
		maps.Copy(e.params, k.infoParams)
		out[k.info] = e
	}
	if k.search.method != "" {
		e := endpoint{scope: k.scope, params: map[string]rule{}, run: k.runSearch}
		for name := range k.search.params {
			e.params[name] = isText
		}
		e.required = []string{strings.Join(slices.Sorted(maps.Keys(k.search.params)), "|")}
		out[k.search.method] = e
	}
	return out
}

func (k *kind) listParams() map[string]rule {
	out := maps.Clone(k.params)
	if out == nil {
		out = make(map[string]rule)
	}
	for name, has := range map[string]bool{"cursor": k.paged, "syncToken": k.token} {
		if has {
			out[name] = isText
		}
	}
	if k.paged {
		out["limit"] = isLimit
	}
	if k.created {
		out["createdAfter"] = isMillis
	}
	if k.archive.param != "" {
		out[k.archive.param] = isFlag
	}
	if k.parentParam != "" {
		out[k.parentParam] = isID
	}
	return out
}

// runList answers the list: whole, or a page of it.
func (k *kind) runList(o *Organization, c *call) (result, *failure) {
	rows := o.table(k.name).rows
	if k.parent != "" {
		of := o.sim.catalogue.by[k.parent]
		parent, ok := o.table(k.parent).get(c.params.text(k.parentParam))
		if !ok || of.seen != nil && !of.seen(o, parent, c.access) {
			return result{}, of.notFound()
		}
		rows = o.children(k, parent)
	}
	fits := func(r *record) bool { return k.shown(o, r, c) }
	if k.paged {
		out, refused := o.page(c, rows, fits, func(r *record) any { return k.shape(o, r, c.params) })
		if !k.token {
			out.token, out.ends = "", ""
		}
		return out, refused
	}
	if k.single {
		if len(rows) == 0 {
			return result{}, k.notFound()
		}
		return result{one: k.shape(o, rows[0], c.params)}, nil
	}
	out := result{rows: make([]any, 0, len(rows)), paged: k.total}
	for _, r := range rows {
		if fits(r) {
			out.rows = append(out.rows, k.shape(o, r, c.params))
		}
	}
	return out, nil
}

// shown says whether a list has a record.
func (k *kind) shown(o *Organization, r *record, c *call) bool {
	switch a := k.archive; {
	case k.seen != nil && !k.seen(o, r, c.access),
		a.param != "" && !c.params.flag(a.param) && r.flag(a.field) == a.value,
		k.created && !createdAfter(r, c.params),
		k.fits != nil && !k.fits(o, r, c.params):
		return false
	}
	return true
}

// createdAfter applies the filter of that name, which is exclusive. A record that does not say when it was created passes.
func createdAfter(r *record, p params) bool {
	if p["createdAfter"] == nil {
		return true
	}
	body := r.fields()
	latest, _ := body["latestVersion"].(map[string]any)
	for _, value := range []any{body["createdAt"], body["submittedAt"], latest["createdAt"]} {
		text, _ := value.(string)
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return at.After(time.UnixMilli(p.number("createdAfter")))
		}
	}
	return true
}

func (k *kind) shape(o *Organization, r *record, p params) any {
	if k.show == nil {
		return r.fields()
	}
	return k.show(o, r, p)
}

// runInfo answers one object.
func (k *kind) runInfo(o *Organization, c *call) (result, *failure) {
	id, _, _ := strings.Cut(k.idParam, "|")
	r, ok := o.table(k.name).get(c.params.text(id))
	if !ok || k.seen != nil && !k.seen(o, r, c.access) {
		return result{}, k.notFound()
	}
	if k.showInfo != nil {
		return result{one: k.showInfo(o, r, c.params)}, nil
	}
	return result{one: k.shape(o, r, c.params)}, nil
}

func (k *kind) notFound() *failure {
	code := k.missing
	if code == "" {
		code = k.name + "_not_found"
	}
	words := strings.ReplaceAll(k.name, "_", " ")
	return &failure{code: code, message: strings.ToUpper(words[:1]) + words[1:] + " not found."}
}

// runSearch answers what has one of the texts, the first hundred of it.
func (k *kind) runSearch(o *Organization, c *call) (result, *failure) {
	out := result{rows: []any{}}
	for _, r := range o.table(k.name).rows {
		if len(out.rows) == maxPage {
			break
		}
		if k.seen != nil && !k.seen(o, r, c.access) {
			continue
		}
		for name, texts := range k.search.params {
			want := c.params.text(name)
			if want != "" && slices.ContainsFunc(texts(r), func(has string) bool { return strings.EqualFold(has, want) }) {
				out.rows = append(out.rows, k.shape(o, r, c.params))
				break
			}
		}
	}
	return out, nil
}
