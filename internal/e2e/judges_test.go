package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// expect requires a fault with these words, or none at all where want is empty.
func expect(t *testing.T, want string, faults []string) {
	t.Helper()
	switch {
	case want == "" && len(faults) > 0:
		t.Errorf("good input is faulted: %q", faults)
	case want != "" && !strings.Contains(strings.Join(faults, "\n"), want):
		t.Errorf("no fault with %q: %q", want, faults)
	}
}

func TestJudgeOfRefreshes(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	hook := func(action, object string, status, sent, answered int) ashbytest.Attempt {
		return ashbytest.Attempt{Org: "acme", Action: action, Object: object, Status: status, SentAt: at(sent), AnsweredAt: at(answered)}
	}
	asked := func(org, method, id string, status, ms int) ashbytest.Request {
		return ashbytest.Request{Org: org, Method: method, ID: id, Status: status, At: at(ms)}
	}
	update := hook("jobPostingUpdate", "p1", 200, 0, 5)
	for name, c := range map[string]struct {
		deliveries []ashbytest.Attempt
		requests   []ashbytest.Request
		judged     int
		want       string
	}{
		"read after the answer":        {[]ashbytest.Attempt{update}, []ashbytest.Request{asked("acme", "jobPosting.info", "p1", 200, 9)}, 1, ""},
		"read beside the answer":       {[]ashbytest.Attempt{update}, []ashbytest.Request{asked("acme", "jobPosting.info", "p1", 200, 4)}, 1, ""},
		"a deleted posting asked for":  {[]ashbytest.Attempt{hook("jobPostingDelete", "p1", 202, 0, 5)}, []ashbytest.Request{asked("acme", "jobPosting.info", "p1", 200, 9)}, 1, ""},
		"a job":                        {[]ashbytest.Attempt{hook("jobUpdate", "j1", 200, 0, 5)}, []ashbytest.Request{asked("acme", "job.info", "j1", 200, 9)}, 1, ""},
		"no object, listed":            {[]ashbytest.Attempt{hook("jobPostingUpdate", "", 200, 0, 5)}, []ashbytest.Request{asked("acme", "jobPosting.list", "", 200, 9)}, 1, ""},
		"refused, no answer, and ping": {[]ashbytest.Attempt{hook("jobUpdate", "j1", 503, 0, 5), hook("jobUpdate", "j1", 0, 0, 5), hook("ping", "", 200, 0, 5)}, nil, 0, ""},
		"nothing of what is mirrored":  {[]ashbytest.Attempt{hook("openingCreate", "o1", 200, 0, 5)}, nil, 0, ""},

		"never read":          {[]ashbytest.Attempt{update}, nil, 1, "jobPostingUpdate of p1"},
		"read before":         {[]ashbytest.Attempt{update}, []ashbytest.Request{asked("acme", "jobPosting.info", "p1", 200, -1)}, 1, "p1"},
		"read long before":    {[]ashbytest.Attempt{hook("jobUpdate", "j1", 200, 0, 2000)}, []ashbytest.Request{asked("acme", "job.info", "j1", 200, 1000)}, 1, "j1"},
		"another posting":     {[]ashbytest.Attempt{update}, []ashbytest.Request{asked("acme", "jobPosting.info", "p2", 200, 9)}, 1, "p1"},
		"another employer's":  {[]ashbytest.Attempt{update}, []ashbytest.Request{asked("beta", "jobPosting.info", "p1", 200, 9)}, 1, "p1"},
		"only listed":         {[]ashbytest.Attempt{update}, []ashbytest.Request{asked("acme", "jobPosting.list", "", 200, 9)}, 1, "p1"},
		"another method":      {[]ashbytest.Attempt{hook("jobUpdate", "x", 200, 0, 5)}, []ashbytest.Request{asked("acme", "jobPosting.info", "x", 200, 9)}, 1, "job.info"},
		"the read failed":     {[]ashbytest.Attempt{update}, []ashbytest.Request{asked("acme", "jobPosting.info", "p1", 500, 9)}, 1, "p1"},
		"the read was cut":    {[]ashbytest.Attempt{update}, []ashbytest.Request{asked("acme", "jobPosting.info", "p1", 0, 9)}, 1, "p1"},
		"no object, not read": {[]ashbytest.Attempt{hook("jobUpdate", "", 200, 0, 5)}, []ashbytest.Request{asked("beta", "jobPosting.list", "", 200, 9)}, 1, "jobPosting.list"},
		"the second of two": {
			[]ashbytest.Attempt{update, hook("jobPostingPublish", "p1", 200, 10, 12)},
			[]ashbytest.Request{asked("acme", "jobPosting.info", "p1", 200, 9)},
			2, "jobPostingPublish",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judged, faults := faultsOfRefresh(c.deliveries, c.requests)
			expect(t, c.want, faults)
			if judged != c.judged {
				t.Errorf("%d judged instead of %d", judged, c.judged)
			}
		})
	}
}

// event makes a message as it would be read from the stream.
func event(t *testing.T, seq uint64, subject, id string, typ events.Type, data any) message {
	t.Helper()
	inner, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(events.Event{ID: id, Type: typ, Data: inner})
	if err != nil {
		t.Fatal(err)
	}
	m := message{Seq: seq, Subject: subject, Raw: raw}
	if err := m.parse(); err != nil {
		t.Fatal(err)
	}
	return m
}

// versions makes messages of one subject with these versions.
func versions(t *testing.T, subject string, numbers ...int64) []message {
	t.Helper()
	var ms []message
	for i, n := range numbers {
		var data any = events.JobData{Version: n}
		if strings.HasPrefix(subject, "connections.") {
			data = events.ConnectionData{Version: n}
		}
		ms = append(ms, event(t, uint64(i+1), subject, fmt.Sprintf("%s/%d", subject, i), events.JobUpdated, data))
	}
	return ms
}

// upTo counts from one number to another.
func upTo(from, to int64) (out []int64) {
	for n := from; n <= to; n++ {
		out = append(out, n)
	}
	return out
}

func TestJudgeOfOrder(t *testing.T) {
	t.Parallel()
	const job, connection = "jobs.v1.c.p", "connections.v1.c"
	twice := append(versions(t, job, 1, 2), versions(t, "jobs.v1.c.q", 1)...)
	twice[2].Event.ID = twice[0].Event.ID
	for name, c := range map[string]struct {
		ms   []message
		want string
	}{
		"nothing":                {nil, ""},
		"from the first":         {append(versions(t, job, 1, 2, 3), versions(t, connection, 1, 2)...), ""},
		"the last sixteen":       {versions(t, job, upTo(5, 4+bus.KeptPerSubject)...), ""},
		"a gap":                  {versions(t, job, 1, 2, 4), "version 4 follows 2"},
		"one again":              {versions(t, job, 1, 2, 2), "version 2 follows 2"},
		"backwards":              {versions(t, job, 1, 2, 1), "version 1 follows 2"},
		"the first is missing":   {versions(t, job, 2, 3), "begins with version 2"},
		"fifteen and no first":   {versions(t, job, upTo(2, bus.KeptPerSubject)...), "begins with version 2"},
		"an id twice":            {twice, "event id"},
		"a connection's gap":     {versions(t, connection, 1, 3), "version 3 follows 1"},
		"a connection's first":   {versions(t, connection, 2), "begins with version 2"},
		"more than a stream has": {versions(t, job, upTo(1, 1+bus.KeptPerSubject)...), "has 17 messages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, c.want, faultsOfOrder(c.ms))
		})
	}
}

func TestJudgeOfTheLog(t *testing.T) {
	t.Parallel()
	const job, connection = "jobs.v1.c.p", "connections.v1.c"
	logOf := func(ms []message) (log []logged) {
		for _, m := range ms {
			log = append(log, logged{m.Event.ID, m.Subject, m.Version, m.Event.Type, string(m.Event.Data)})
		}
		return log
	}
	short := append(versions(t, job, 1, 2, 3), versions(t, connection, 1)...)
	long := versions(t, job, upTo(1, 4+bus.KeptPerSubject)...)
	changed := func(change func(*logged)) []logged {
		log := logOf(short)
		change(&log[1])
		return log
	}
	for name, c := range map[string]struct {
		log  []logged
		ms   []message
		want string
	}{
		"nothing":                      {nil, nil, ""},
		"the same":                     {logOf(short), short, ""},
		"the oldest left the stream":   {logOf(long), long[4:], ""},
		"written with other space":     {changed(func(l *logged) { l.Data = " " + l.Data }), short, ""},
		"not in the log":               {logOf(short[:2]), short[:3], "is not in the log"},
		"not on the stream":            {logOf(short), append([]message{short[0], short[1]}, short[3]), "version 3"},
		"a connection's not on it":     {logOf(short), short[:3], "connections.v1.c: version 1"},
		"the sixteenth last not on it": {logOf(long), long[5:], "version 5"},
		"an object that never came":    {logOf(short), short[3:], "version 1"},
		"other data":                   {changed(func(l *logged) { l.Data = strings.Replace(l.Data, `"version":2`, `"version":2.5`, 1) }), short, "differs"},
		"another type":                 {changed(func(l *logged) { l.Type = events.JobClosed }), short, "differs"},
		"another object":               {changed(func(l *logged) { l.Subject = "jobs.v1.other.p" }), short, "differs"},
		"a gap in the log":             {changed(func(l *logged) { l.Version = 5 }), short, "where 2 is due"},
		"an id twice in the log":       {changed(func(l *logged) { l.ID = short[0].Event.ID }), short, "in the log twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, c.want, faultsOfLog(c.log, c.ms))
		})
	}
	for _, pair := range [][2]string{{`{"a":1,"b":[2]}`, `{"b":[2],"a":1}`}, {`1.50`, `1.50`}} {
		if !sameJSON(pair[0], pair[1]) {
			t.Errorf("%s and %s are called different", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{{`9007199254740993`, `9007199254740992`}, {`{"a":null}`, `{}`}, {``, ``}, {`[1,2]`, `[2,1]`}} {
		if sameJSON(pair[0], pair[1]) {
			t.Errorf("%s and %s are called the same", pair[0], pair[1])
		}
	}
}

func TestJudgeOfSecrets(t *testing.T) {
	t.Parallel()
	const secret = "whsec_0123456789abcdef?"
	needle := map[string]string{"the secret": secret}
	for name, c := range map[string]struct{ hay, want string }{
		"nothing":         {"a log without it: " + secret[:12] + " " + base64.StdEncoding.EncodeToString([]byte("something else altogether")), ""},
		"plain":           {"key=" + secret, "(plain)"},
		"in a URL":        {"?key=whsec_0123456789abcdef%3F&x=1", "(url)"},
		"hex":             {`\x00` + hex.EncodeToString([]byte(secret)), "(hex)"},
		"capital hex":     {strings.ToUpper(hex.EncodeToString([]byte(secret))), "(HEX)"},
		"base64":          {base64.StdEncoding.EncodeToString([]byte(secret + ":")), "(base64 at 0)"},
		"base64, shifted": {base64.StdEncoding.EncodeToString([]byte("a" + secret + "bc")), "(base64 at 1)"},
		"base64, again":   {base64.StdEncoding.EncodeToString([]byte("user:" + secret)), "(base64 at 2)"},
		"base64 for URLs": {base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe\xfd" + secret)), "(base64url at 0)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, c.want, leaks(map[string][]byte{"empty": nil, "a log": []byte(c.hay)}, needle))
		})
	}
	expect(t, "too short", leaks(nil, map[string]string{"a word": "key"}))
	known := map[string]string{"the logs": "hello", "the dump": "world"}
	full := map[string][]byte{"the logs": []byte("hello there"), "the dump": []byte("a world")}
	expect(t, "", blindSpots(full, known))
	expect(t, "the dump (0 bytes)", blindSpots(map[string][]byte{"the logs": []byte("hello")}, known))
	expect(t, "the logs (3 bytes)", blindSpots(map[string][]byte{"the logs": []byte("bye"), "the dump": full["the dump"]}, known))
	expect(t, "the pages has nothing", blindSpots(map[string][]byte{"the logs": full["the logs"], "the dump": full["the dump"], "the pages": nil}, known))
}
