package ashbytest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGeneratedDataIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	one, two := setup(t, 60, Options{Seed: 7}), setup(t, 60, Options{Seed: 7})
	other := setup(t, 60, Options{Seed: 8})
	if one.key != two.key || one.key == other.key || len(one.key) != 64 {
		t.Errorf("keys %s, %s, %s", one.key, two.key, other.key)
	}
	a, b := one.good("jobPosting.list", "{}"), two.good("jobPosting.list", "{}")
	if string(a.raw) != string(b.raw) {
		t.Error("two runs differ in jobPosting.list")
	}
	for _, p := range one.org.Postings()[:10] {
		body := `{"jobPostingId":"` + p.ID + `","expand":["job"]}`
		if x, y := one.good("jobPosting.info", body), two.good("jobPosting.info", body); string(x.raw) != string(y.raw) {
			t.Errorf("two runs differ in posting %s", p.ID)
		}
	}
	if one.org.Postings()[0].ID == other.org.Postings()[0].ID {
		t.Error("another seed gives the same ids")
	}
}

func TestGeneratedDataIsPublicAndVaried(t *testing.T) {
	t.Parallel()
	b := setup(t, 100, Options{})
	seen := make(map[string]int)
	for _, p := range b.org.Postings() {
		if !p.Public() {
			t.Errorf("posting %+v is not public", p)
		}
		if strings.Contains(p.DescriptionHTML, HostileMarker) {
			seen["hostile"]++
		}
		got := b.good("jobPosting.info", `{"jobPostingId":"`+p.ID+`"}`).one(t)
		pay := got["compensation"].(map[string]any)
		switch tiers := len(pay["compensationTiers"].([]any)); {
		case tiers == 0:
			seen["no pay"]++
		case pay["shouldDisplayCompensation"] == false:
			seen["hidden pay"]++
		case tiers > 1:
			seen["several tiers"]++
		}
		if got["workplaceType"] == nil {
			seen["no workplace"]++
		}
		if got["address"] == nil {
			seen["no address"]++
		}
		if got["applicationDeadline"] != nil {
			seen["deadline"]++
		}
		if ids := got["locationIds"].(map[string]any); len(ids["secondaryLocationIds"].([]any)) > 0 {
			seen["secondary"]++
		}
		seen[got["employmentType"].(string)]++
	}
	for _, what := range []string{
		"hostile", "no pay", "hidden pay", "several tiers", "no workplace", "no address", "deadline", "secondary", "FullTime", "PartTime",
		"Contract", "Intern", "Temporary",
	} {
		if seen[what] == 0 {
			t.Errorf("no posting with: %s", what)
		}
	}
	if seen["hostile"] != 20 {
		t.Errorf("%d hostile descriptions", seen["hostile"])
	}
}

func TestTwoEmployersMayShareIDs(t *testing.T) {
	t.Parallel()
	b := setup(t, 12, Options{})
	twin := b.sim.AddOrganization("globex", "Globex")
	twin.GenerateLike("acme", 12)
	mine, theirs := b.org.Postings(), twin.Postings()
	differ := false
	for i := range mine {
		if mine[i].ID != theirs[i].ID || mine[i].JobID != theirs[i].JobID {
			t.Fatalf("posting %d: %+v and %+v", i, mine[i], theirs[i])
		}
		if strings.Contains(theirs[i].DescriptionHTML, "Acme") {
			t.Errorf("posting %d of Globex speaks of Acme", i)
		}
		differ = differ || mine[i].Title != theirs[i].Title
	}
	if !differ {
		t.Error("all titles are the same")
	}
	twin.Retitle(mine[0].ID, "Globetrotter")
	if p, _ := b.org.Posting(mine[0].ID); p.Title == "Globetrotter" {
		t.Error("an edit reached the other employer")
	}
	b.key = twin.AddKey(KeyOptions{})
	if row := b.good("jobPosting.list", "{}").rows(t)[0]; row["title"] != "Globetrotter" {
		t.Errorf("row %v", row)
	}
}

func TestCreatePosting(t *testing.T) {
	t.Parallel()
	b := setup(t, 2, Options{})
	mate := b.org.Postings()[0]
	id := "11111111-2222-4333-8444-555555555555"
	if got := b.org.CreatePosting(PostingSpec{
		ID: id, JobID: mate.JobID, Title: "Beekeeper", DescriptionHTML: "<p>Bees &amp; honey</p>", Unlisted: true,
		Pay: &Pay{Tiers: []PayTier{{Components: []PayComponent{{Type: "Salary", Interval: "1 HOUR", Currency: "EUR", Min: "72000.1"}}}}},
	}); got != id {
		t.Fatalf("id %s", got)
	}
	p, _ := b.org.Posting(id)
	if p.Status != StatusDraft || p.Listed || p.JobID != mate.JobID || p.Title != "Beekeeper" {
		t.Errorf("posting %+v", p)
	}
	got := b.good("jobPosting.info", `{"jobPostingId":"`+id+`","includeUnpublishedJobPostings":true}`)
	if !strings.Contains(string(got.raw), `"minValue":72000.1`) || got.one(t)["descriptionPlain"] != "Bees & honey" {
		t.Errorf("answer %s", got.raw)
	}
	if fresh := b.org.CreatePosting(PostingSpec{}); fresh == id || fresh == mate.ID || !b.org.Publish(fresh) {
		t.Errorf("generated posting %s", fresh)
	}
}

func TestChurnStaysNearTheStart(t *testing.T) {
	t.Parallel()
	b := setup(t, 40, Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	verbs := make(map[string]int)
	for range 1000 {
		what := b.org.ChurnOnce(rng)
		verbs[strings.Fields(what)[0]]++
		public := 0
		for _, p := range b.org.Postings() {
			if p.Public() {
				public++
			}
		}
		if public < 35 || public > 45 {
			t.Fatalf("%d public postings after: %s", public, what)
		}
	}
	got := make([]string, 0, len(verbs))
	for verb := range verbs {
		got = append(got, verb)
	}
	slices.Sort(got)
	if want := []string{"deleted", "edited", "listed", "published", "retitled", "set", "unlisted", "unpublished"}; !slices.Equal(got, want) {
		t.Errorf("changes %v", verbs)
	}
}

func TestUpdatedAtAlwaysRises(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 1, 12, 0, 0, 0, time.UTC)
	b := setup(t, 1, Options{Now: func() time.Time { return now }})
	id := b.org.Postings()[0].ID
	var last time.Time
	var told []time.Time
	b.sim.OnChange(func(org, posting string, at time.Time) {
		if org != "acme" || posting != id {
			t.Errorf("told of %s %s", org, posting)
		}
		told = append(told, at)
	})
	for range 5 {
		b.org.Retitle(id, "A title")
		p, _ := b.org.Posting(id)
		if !p.UpdatedAt.After(last) {
			t.Fatalf("%s is not after %s", p.UpdatedAt, last)
		}
		last = p.UpdatedAt
	}
	if len(told) != 5 || !told[4].Equal(last) {
		t.Errorf("told %v", told)
	}
}
