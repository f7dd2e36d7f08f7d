package ashbytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// stopped is a clock that stands still, so that two simulators can be compared.
func stopped() time.Time { return time.Date(2026, time.July, 1, 9, 30, 0, 123_456_789, time.UTC) }

func (b *bench) save() []byte {
	b.t.Helper()
	var buf bytes.Buffer
	if err := b.sim.Save(&buf); err != nil {
		b.t.Fatal(err)
	}
	return buf.Bytes()
}

// load gives a bench whose simulator is another one with the saved state, and another seed of its own.
func (b *bench) load(saved []byte) *bench {
	b.t.Helper()
	sim := New(Options{Seed: 99, RetryScale: 0.0001, Now: b.sim.opts.Now, RequestsPerMinute: b.sim.opts.RequestsPerMinute})
	server := httptest.NewServer(sim)
	b.t.Cleanup(server.Close)
	b.t.Cleanup(sim.Close)
	if err := sim.Load(bytes.NewReader(saved)); err != nil {
		b.t.Fatal(err)
	}
	return &bench{
		t: b.t, sim: sim, org: sim.AddOrganization(b.org.slug, ""), key: b.key, url: server.URL, http: server.Client(),
	}
}

// live brings about everything that an organisation can hold.
func (b *bench) live() {
	b.t.Helper()
	if err := errors.Join(
		b.org.ImportJobs(json.RawMessage(`{"id":"6b1f0b6e-0000-4000-8000-000000000001","status":"Open","ratio":1.50,"new":{"a":[null]}}`)),
		b.org.ImportPublicBoard([]byte(`{"jobs":[{"id":"6b1f0b6e-0000-4000-8000-000000000002","title":"Cook & <Baker>",
			"department":"Kitchen","team":"Night","location":"Oslo","isListed":true,"isRemote":true,
			"publishedAt":"2026-05-01T10:00:00.000+02:00","jobUrl":"https://x.example/1","applyUrl":"https://x.example/2",
			"descriptionHtml":"<p>5 &lt; 6</p>","compensation":{"summaryComponents":[{"minValue":1.10}]}}]}`)),
	); err != nil {
		b.t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		b.org.ChurnOnce(rng)
	}
	all := b.org.Postings()
	b.org.SetConfidential(all[0].JobID, true)
	b.org.SetJobStatus(all[1].JobID, JobClosed)
	b.org.SetJobStatus(all[2].JobID, JobDraft)
	b.org.SetInternal(all[3].ID, true)
	b.org.RenameLocation(slices.Min(slices.Collect(maps.Keys(b.org.Locations()))), "Elsewhere")
	b.org.RenameDepartment(slices.Max(slices.Collect(maps.Keys(b.org.Departments()))), "Others")
	b.org.RevokeKey(b.org.AddKey(KeyOptions{Title: "Old"}))
	b.sim.AddOrganization("twin", "Twin").GenerateLike("acme", 5)
	b.sim.AddOrganization("empty", "Empty")
}

// everything asks all endpoints for everything, page by page, and gives the answers in one text.
func (b *bench) everything() string {
	b.t.Helper()
	var out strings.Builder
	ask := func(method, body string) reply {
		got := b.ask(method, body)
		fmt.Fprintf(&out, "%s %s: %d %s %s\n", method, body, got.status, got.header.Get("x-ashby-request-id"), got.raw)
		return got
	}
	for _, method := range slices.Sorted(maps.Keys(b.sim.routes)) {
		ask(method, `{}`)
		ask(method, `{"nonsense":1}`)
	}
	for _, method := range []string{"job.list", "location.list", "department.list"} {
		for cursor, more := "", true; more; {
			page := ask(method, fmt.Sprintf(`{"limit":7,"cursor":%q}`, cursor))
			cursor, more = page.body.Next, page.body.More
		}
	}
	ask("jobPosting.list", `{"includeUnpublishedJobPostings":true}`)
	ask("jobPosting.list", fmt.Sprintf(`{"jobBoardId":%q}`, b.org.InternalBoard()))
	for _, p := range b.org.Postings() {
		ask("jobPosting.info", fmt.Sprintf(`{"jobPostingId":%q,"includeUnpublishedJobPostings":true,"expand":["job"]}`, p.ID))
		ask("job.info", fmt.Sprintf(`{"id":%q,"expand":["location"]}`, p.JobID))
	}
	for _, id := range slices.Sorted(maps.Keys(b.org.Locations())) {
		ask("location.info", fmt.Sprintf(`{"locationId":%q}`, id))
	}
	for _, id := range slices.Sorted(maps.Keys(b.org.Departments())) {
		ask("department.info", fmt.Sprintf(`{"departmentId":%q}`, id))
	}
	return out.String()
}

func TestLoadedSimulatorAnswersAsTheSavedOne(t *testing.T) {
	t.Parallel()
	b := setup(t, 24, Options{Seed: 3, Now: stopped, RequestsPerMinute: 1_000_000})
	b.live()
	keys := []string{
		b.key, b.org.AddKey(KeyOptions{Title: "All", Confidential: true}), b.org.AddKey(KeyOptions{Scopes: []string{"jobs:read"}}),
	}
	c := b.load(b.save())
	for _, b.key = range keys {
		c.key = b.key
		want, got := strings.Split(b.everything(), "\n"), strings.Split(c.everything(), "\n")
		for i := range want {
			if i >= len(got) || want[i] != got[i] {
				t.Fatalf("answer %d with key %s differs:\nsaved  %s\nloaded %s", i, last4(b.key), want[i], got[min(i, len(got)-1)])
			}
		}
	}
	one, other := rand.New(rand.NewPCG(5, 6)), rand.New(rand.NewPCG(5, 6))
	for range 60 {
		if want, got := b.org.ChurnOnce(one), c.org.ChurnOnce(other); want != got {
			t.Fatalf("the saved one %s, the loaded one %s", want, got)
		}
	}
	if !reflect.DeepEqual(b.org.Postings(), c.org.Postings()) {
		t.Error("the postings differ after the same edits")
	}
}

func TestTheSameStateIsSavedTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t, 30, Options{Now: stopped})
	b.live()
	first := b.save()
	if !bytes.Equal(first, b.save()) {
		t.Error("two saves differ")
	}
	if !bytes.Equal(first, b.load(first).save()) {
		t.Error("what was loaded is saved differently")
	}
}

func TestTokensSurviveALoad(t *testing.T) {
	t.Parallel()
	b := setup(t, 20, Options{})
	_, token := b.pass("job.list", "", "", 100)
	all := b.org.Postings()
	b.org.RetitleJob(all[0].JobID, "Before")
	cursor := b.good("job.list", `{"limit":5}`).body.Next
	saved := b.save()
	b.org.RetitleJob(all[1].JobID, "Lost")
	_, lost := b.pass("job.list", "", "", 100)
	lostCursor := b.good("job.list", `{"limit":5}`).body.Next

	for range 3 { // of runs, the later ones from what the one before saved
		b = b.load(saved)
		b.org.RetitleJob(all[2].JobID, "After")
		rows, next := b.pass("job.list", "", token, 100)
		if got, want := ids(rows), []string{all[0].JobID, all[2].JobID}; !slices.Equal(got, want) {
			t.Fatalf("changed jobs %v, want %v", got, want)
		}
		if rows, _ := b.pass("job.list", "", next, 100); len(rows) != 0 {
			t.Errorf("%d changes since the new token", len(rows))
		}
		b.good("job.list", fmt.Sprintf(`{"limit":5,"cursor":%q}`, cursor))
		if got := b.ask("job.list", fmt.Sprintf(`{"syncToken":%q}`, lost)); got.code(t) != "sync_token_invalid" {
			t.Errorf("a token of the lost time: %s", got.raw)
		}
		if got := b.ask("job.list", fmt.Sprintf(`{"limit":5,"cursor":%q}`, lostCursor)); got.code(t) != "cursor_invalid" {
			t.Errorf("a cursor of the lost time: %s", got.raw)
		}
		saved = b.save()
	}
}

func TestLoadedWebhooksKeepTheirSecret(t *testing.T) {
	t.Parallel()
	b := setup(t, 3, Options{})
	r := receive(t, "the old secret")
	b.subscribe(r, "jobPostingUpdate")
	c := b.load(b.save())
	if len(r.take()) != 0 {
		t.Error("loading sent a ping")
	}
	id := c.org.Postings()[0].ID
	c.org.Retitle(id, "Another")
	c.settled()
	if got := r.take(); len(got) != 1 || !got[0].signed || got[0].Data.Posting["id"] != id {
		t.Errorf("webhooks %+v", got)
	}
	if url := r.URL + "/jobPostingUpdate"; !c.org.HasWebhook("jobPostingUpdate", url) || c.org.HasWebhook("jobUpdate", url) {
		t.Error("HasWebhook errs")
	}
	if got := c.org.Keys(); !slices.Equal(got, []string{b.key}) {
		t.Errorf("keys %v", got)
	}
}

func TestBrokenSnapshotsChangeNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, 4, Options{})
	good := string(b.save())
	sim := New(Options{Seed: 7})
	t.Cleanup(sim.Close)
	var before bytes.Buffer
	if err := sim.Save(&before); err != nil {
		t.Fatal(err)
	}
	org := good[strings.Index(good, `{"slug"`):strings.LastIndex(good, "]")]
	posting := b.org.Postings()[0].ID
	for name, bad := range map[string]string{
		"empty":           "",
		"no JSON":         "sim",
		"null":            "null",
		"half":            good[:len(good)/2],
		"one byte short":  strings.TrimSpace(good)[:len(strings.TrimSpace(good))-1],
		"trailing":        good + "{}",
		"no version":      `{}`,
		"newer":           strings.Replace(good, `"version":2`, `"version":3`, 1),
		"unknown field":   strings.Replace(good, `"served"`, `"swerved"`, 1),
		"short instance":  strings.Replace(good, `"instance":"`, `"instance":"AAAA","x":"`, 1),
		"no instance":     `{"version":1}`,
		"twice the same":  strings.Replace(good, org, org+","+org, 1),
		"no slug":         strings.Replace(good, `"slug":"acme"`, `"slug":""`, 1),
		"no posting id":   strings.Replace(good, `{"id":"`+posting+`"`, `{"id":""`, 1),
		"revisions ahead": strings.Replace(good, `"rev":`, `"rev":-`, 1),
		"places unsorted": strings.Replace(good, `"seq":68,`, `"seq":1,`, 1),
		"a nameless key":  strings.Replace(good, b.key, "", 1),
	} {
		if bad == good {
			t.Fatalf("%s: nothing is broken", name)
		}
		if err := sim.Load(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: loaded", name)
		}
		var after bytes.Buffer
		if err := sim.Save(&after); err != nil || after.String() != before.String() {
			t.Errorf("%s: the simulator is another now: %s, %v", name, after.String(), err)
		}
	}
	if err := sim.Load(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if err := sim.Load(strings.NewReader(good)); err == nil {
		t.Error("loaded over organisations that were there")
	}
}

// TestOlderSnapshotsAreRead loads what the program of version 1 saved.
func TestOlderSnapshotsAreRead(t *testing.T) {
	t.Parallel()
	old, err := os.ReadFile("testdata/snapshot-1.json")
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, 0, Options{}).load(old)
	b.key = b.org.Keys()[0]
	if rows := b.good("jobPosting.list", "{}").rows(t); len(rows) != 2 {
		t.Errorf("%d postings", len(rows))
	}
	if hooks := b.org.Webhooks(); len(hooks) != 1 || !uuidPattern.MatchString(hooks[0].ID) || !hooks[0].Enabled {
		t.Errorf("webhooks %+v", hooks)
	}
	b.org.Generate(1)
	b.org.GenerateCandidates(3)
	if rows := b.good("brand.list", "{}").rows(t); len(rows) != 2 {
		t.Errorf("%d brands", len(rows))
	}
	b.load(b.save())
}

// TestSnapshotsForgetNoField fails when a type gets a field and its saved form does not.
func TestSnapshotsForgetNoField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live, saved reflect.Type
		more        int // fields that are derived, or say who owns it
	}{
		{reflect.TypeFor[posting](), reflect.TypeFor[savedPosting](), 0},
		{reflect.TypeFor[Organization](), reflect.TypeFor[savedOrganization](), 3}, // sim, resumed, order and byJob; less the keys
		{reflect.TypeFor[apiKey](), reflect.TypeFor[savedKey](), 1},                // org
		{reflect.TypeFor[webhook](), reflect.TypeFor[savedWebhook](), 0},
		{reflect.TypeFor[record](), reflect.TypeFor[savedRecord](), 1}, // home
	} {
		if live, saved := c.live.NumField(), c.saved.NumField(); live != saved+c.more {
			t.Errorf("%s has %d fields, %s has %d", c.live.Name(), live, c.saved.Name(), saved)
		}
	}
}

func BenchmarkSaveOf40(b *testing.B) {
	sim := New(Options{})
	defer sim.Close()
	sim.AddOrganization("acme", "Acme").Generate(40)
	var buf bytes.Buffer
	for b.Loop() {
		buf.Reset()
		if err := sim.Save(&buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(buf.Len()), "bytes")
}
