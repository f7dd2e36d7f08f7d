package board

import "strconv"

// listView is the list.
type listView struct {
	layout
	Words   string
	Filters []filter
	// Chosen are the conditions that are set, each with the list's address without it.
	Chosen []choicePath
	Cards  []card
	// Count says how many jobs there are, in words.
	Count string
	// IsNarrowed says that conditions are set; IsStarting, that jobs may still be on their way.
	IsNarrowed, IsStarting bool
	Pages                  *pager
}

// filter is a choice of one of several values.
type filter struct {
	Name, Label, All string
	Options          []option
}

type option struct {
	Choice
	IsChosen bool
}

// pager leads to the pages beside this one.
type pager struct {
	Page, Pages    int
	Newer, Earlier string
}

func (b *Board) listView(l layout, q Query, r Results) listView {
	v := listView{
		layout: l, Words: q.Words, IsNarrowed: q.path() != (Query{Page: q.Page}).path(), IsStarting: !b.caughtUp.Load(),
		Filters: filters(q, r.Facets),
	}
	v.Title = "Jobs · " + b.o.Name
	v.Description = "Open jobs, straight from the employers' own recruiting systems."
	v.IsHidden = v.IsNarrowed // one list for search engines, not thousands
	for _, j := range r.Jobs {
		v.Cards = append(v.Cards, b.card(j))
	}
	v.Count = plural(r.Total, "open job")
	if v.IsNarrowed {
		v.Count = plural(r.Total, "job") + " found"
	}
	v.Chosen = chosen(q, v.Filters)
	if r.Pages > 1 {
		v.Pages = &pager{Page: r.Page, Pages: r.Pages}
		at := q
		if at.Page = r.Page - 1; at.Page >= 1 {
			v.Pages.Newer = at.path()
		}
		if at.Page = r.Page + 1; at.Page <= r.Pages {
			v.Pages.Earlier = at.path()
		}
	}
	return v
}

func filters(q Query, f Facets) []filter {
	return []filter{
		newFilter("employer", "Employer", "All employers", q.Employer, f.Employers, nil),
		newFilter("department", "Department", "All departments", q.Department, f.Departments, nil),
		newFilter("location", "Location", "Anywhere", q.Location, f.Locations, nil),
		newFilter("workplace", "Workplace", "Any workplace", q.Workplace, f.Workplaces, workplaceLabel),
		newFilter("employment", "Employment", "Any employment", q.Employment, f.Employments, employmentLabel),
	}
}

// newFilter makes a filter of its choices. The chosen value stays among them even if it would find nothing.
func newFilter(name, label, all, value string, choices []Choice, say func(string) string) filter {
	f := filter{Name: name, Label: label, All: all}
	isThere := value == ""
	for _, c := range choices {
		if say != nil {
			c.Label = say(c.Value)
		} else if c.Label == "" {
			c.Label = c.Value
		}
		isThere = isThere || c.Value == value
		f.Options = append(f.Options, option{Choice: c, IsChosen: c.Value == value})
	}
	if !isThere {
		f.Options = append(f.Options, option{Choice: Choice{Value: value, Label: value}, IsChosen: true})
	}
	return f
}

// chosen are the conditions that are set, with the address of the list without each.
func chosen(q Query, filters []filter) []choicePath {
	var list []choicePath
	if q.Words != "" {
		without := q
		without.Words, without.Page = "", 1
		list = append(list, choicePath{Label: "“" + q.Words + "”", Path: without.path()})
	}
	for _, f := range filters {
		for _, o := range f.Options {
			if o.IsChosen {
				list = append(list, choicePath{Label: o.Label, Path: q.without(f.Name).path()})
			}
		}
	}
	return list
}

// without is the query with one filter less, from its first page.
func (q Query) without(filter string) Query {
	v := q.values()
	v.Del(filter)
	v.Del("page")
	return queryOf(v)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
