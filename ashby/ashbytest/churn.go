package ashbytest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// ChurnOnce makes one plausible change, as an employer's team would in the course of a day, and says in a short sentence
// what it was. Over many calls the number of public postings stays near what it was at the first.
func (o *Organization) ChurnOnce(rng *rand.Rand) string {
	public, hidden := o.sides()
	o.sim.mu.Lock()
	if o.home == 0 {
		o.home = max(1, len(public))
	}
	gap := o.home - len(public)
	o.sim.mu.Unlock()
	dice := rng.IntN(100)
	switch {
	case len(public) == 0 || gap > 2 || gap > 0 && dice < 30:
		return o.churnUp(rng, hidden)
	case gap < -2 || dice < 15:
		return o.churnDown(rng, public[rng.IntN(len(public))])
	case dice < 30:
		return o.churnUp(rng, hidden)
	default:
		return o.churnEdit(rng, public[rng.IntN(len(public))])
	}
}

// sides parts the postings into those that are public and those that could be with one change.
func (o *Organization) sides() (public, hidden []PostingState) {
	for _, p := range o.Postings() {
		switch {
		case p.Public():
			public = append(public, p)
		case !p.Internal && !p.Confidential && p.JobStatus == JobOpen && (p.Listed || p.Status == StatusPublished):
			hidden = append(hidden, p)
		}
	}
	return public, hidden
}

// churnUp brings one posting more before the public.
func (o *Organization) churnUp(rng *rand.Rand, hidden []PostingState) string {
	if len(hidden) == 0 || rng.IntN(3) == 0 {
		id := o.CreatePosting(PostingSpec{})
		o.Publish(id)
		p, _ := o.Posting(id)
		return fmt.Sprintf("published the new posting %q", p.Title)
	}
	p := hidden[rng.IntN(len(hidden))]
	if p.Status == StatusPublished {
		o.SetListed(p.ID, true)
		return fmt.Sprintf("listed %q again", p.Title)
	}
	o.Publish(p.ID)
	return fmt.Sprintf("published %q again", p.Title)
}

// churnDown takes one posting away from the public.
func (o *Organization) churnDown(rng *rand.Rand, p PostingState) string {
	switch rng.IntN(4) {
	case 0:
		o.SetListed(p.ID, false)
		return fmt.Sprintf("unlisted %q", p.Title)
	case 1:
		o.DeletePosting(p.ID)
		return fmt.Sprintf("deleted %q", p.Title)
	default:
		o.Unpublish(p.ID)
		return fmt.Sprintf("unpublished %q", p.Title)
	}
}

func (o *Organization) churnEdit(rng *rand.Rand, p PostingState) string {
	switch rng.IntN(3) {
	case 0:
		title := anotherTitle(rng, p.Title)
		o.Retitle(p.ID, title)
		return fmt.Sprintf("retitled %q as %q", p.Title, title)
	case 1:
		o.EditDescription(p.ID, anotherText(p.DescriptionHTML, o.sim.opts.Now()))
		return fmt.Sprintf("edited the description of %q", p.Title)
	default:
		low := 60 + 5*rng.IntN(24)
		high := low + 10 + 5*rng.IntN(5)
		o.SetPay(p.ID, Pay{Tiers: []PayTier{{Components: []PayComponent{salary("EUR", low, high)}}}})
		return fmt.Sprintf("set the pay of %q to €%dK – €%dK", p.Title, low, high)
	}
}

// anotherTitle changes the level, or adds or takes away the suffix that says that all genders are meant.
func anotherTitle(rng *rand.Rand, title string) string {
	const suffix = " (f/m/d)"
	if rng.IntN(3) == 0 {
		if bare, ok := strings.CutSuffix(title, suffix); ok {
			return bare
		}
		return title + suffix
	}
	bare := title
	for _, level := range levels {
		bare = strings.TrimPrefix(bare, level)
	}
	for {
		if next := levels[rng.IntN(len(levels))] + bare; next != title {
			return next
		}
	}
}

// anotherText keeps one line about the last edit at the end of a text, so that it grows no longer with the years.
func anotherText(html string, now time.Time) string {
	const mark = `<p><em>Updated `
	if i := strings.LastIndex(html, mark); i >= 0 {
		html = html[:i]
	}
	return html + mark + strconv.FormatInt(now.UnixMilli(), 36) + ": we now answer within three days.</em></p>"
}
