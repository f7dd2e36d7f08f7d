package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/verify"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// What a person sees with `events verify`: nothing differs after a synchronisation; what is taken out of the stream behind
// the relay's back differs; and within its pause between two audits, ten seconds, it is back.
func TestRepairIsSeenByVerify(t *testing.T) {
	t.Parallel()
	s := start(t)
	org := s.sim.AddOrganization("acme", "Acme")
	org.Generate(30)
	e := s.connect(org, "acme")
	s.synced(e)
	public := slices.DeleteFunc(org.Postings(), func(p ashbytest.PostingState) bool { return !p.Public() })
	org.Unpublish(public[0].ID)
	differs := func() []string {
		t.Helper()
		r, err := verify.Run(t.Context(), s.parts.Bus, s.db.Notifier(), 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, d := range r.Differences {
			out = append(out, d.Subject+" "+string(d.Problem))
		}
		return out
	}
	s.eventually("nothing differs, and nothing waits", func() error {
		r, err := verify.Run(t.Context(), s.parts.Bus, s.db.Notifier(), time.Millisecond)
		if err == nil && (len(r.Differences) > 0 || r.Outbox > 0 || r.Jobs < 20 || r.Connections != 1) {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	var gone []string
	for _, p := range public[1:3] {
		subject := events.JobSubject(e.id, p.ID)
		gone = append(gone, subject+" missing")
		if err := s.parts.Bus.DropBefore(t.Context(), subject, 0); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(gone)
	if got := differs(); !slices.Equal(got, gone) && len(got) > 0 { // none where the relay was quick
		t.Errorf("differs %v, want %v", got, gone)
	}
	s.eventually("it is repaired", func() error {
		if got := differs(); len(got) > 0 {
			return errors.New(strings.Join(got, ", "))
		}
		return nil
	})
	// What kind of damage it is called depends on what else the relay just noticed, as when its connection broke at that
	// moment; how many subjects were missing does not.
	kinds, missing := map[string]bool{}, 0
	for line := range bytes.Lines(s.logs.bytes()) {
		var l struct {
			Msg     string `json:"msg"`
			Kind    string `json:"kind"`
			Missing int    `json:"subjects_missing"`
		}
		switch err := json.Unmarshal(line, &l); {
		case err != nil:
			continue // a line of another kind
		case l.Msg == "stream lost messages, repairing it":
			kinds[l.Kind] = true
		case l.Msg == "stream repaired from the log":
			missing += l.Missing
		}
	}
	if len(kinds) == 0 || kinds[""] || missing < len(gone) {
		t.Errorf("the log tells of losses %v and of %d missing subjects, want %d\n%s", kinds, missing, len(gone), s.logs.tail())
	}
}
