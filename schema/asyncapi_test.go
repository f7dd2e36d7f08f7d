package schema_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/bebitcoiner/ashbridge/schema"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

type reference struct {
	Ref string `yaml:"$ref"`
}

// document is what the tests read of the AsyncAPI document.
type document struct {
	Info     struct{ Version string }
	Channels map[string]struct {
		Address    string
		Parameters map[string]struct{ Location string }
		Messages   map[string]reference
		Stream     string `yaml:"x-nats-stream"`
	}
	Operations map[string]struct {
		Action   string
		Channel  reference
		Messages []reference
	}
	Components struct {
		Messages map[string]struct {
			Name    string
			Traits  []reference
			Payload struct {
				Format string `yaml:"schemaFormat"`
				Schema reference
			}
		}
		MessageTraits map[string]struct {
			Headers struct {
				Properties map[string]any
			}
		} `yaml:"messageTraits"`
	}
}

func read(t *testing.T, into any) {
	t.Helper()
	if err := yaml.Unmarshal(schema.AsyncAPI(), into); err != nil {
		t.Fatal(err)
	}
}

// asyncAPISchema is the AsyncAPI Initiative's own schema of its documents; see testdata/README.md.
func asyncAPISchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	packed, err := os.ReadFile("testdata/asyncapi-3.0.0.schema.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	const id = "http://asyncapi.com/schema-store/3.0.0.json"
	if err := c.AddResource(id, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// asJSON is the document as a JSON reader would have it, after a change.
func asJSON(t *testing.T, change func(map[string]any)) any {
	t.Helper()
	var doc map[string]any
	read(t, &doc)
	change(doc)
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestAsyncAPIIsValid(t *testing.T) {
	t.Parallel()
	official := asyncAPISchema(t)
	if err := official.Validate(asJSON(t, func(map[string]any) {})); err != nil {
		t.Errorf("%#v", err)
	}
	for name, spoil := range map[string]func(map[string]any){
		"no title":             func(d map[string]any) { delete(dig(d, "info"), "title") },
		"another version":      func(d map[string]any) { d["asyncapi"] = "2.6.0" },
		"unknown field":        func(d map[string]any) { dig(d, "channels", "jobs")["subject"] = "x" },
		"unknown action":       func(d map[string]any) { dig(d, "operations", "receiveJobs")["action"] = "subscribe" },
		"unknown security":     func(d map[string]any) { dig(d, "components", "securitySchemes", "subscriber")["type"] = "nkey" },
		"field in the binding": func(d map[string]any) { dig(d, "operations", "receiveJobs", "bindings", "nats")["durable"] = "x" },
		"bad location":         func(d map[string]any) { dig(d, "channels", "jobs", "parameters", "posting")["location"] = "subject" },
	} {
		if official.Validate(asJSON(t, spoil)) == nil {
			t.Errorf("%s: still valid", name)
		}
	}
}

// The document names exactly the types, subjects, streams, schemas and headers that the code has.
func TestAsyncAPIAndCodeAreTheSame(t *testing.T) {
	t.Parallel()
	var doc document
	read(t, &doc)
	var types []events.Type
	var schemas []string
	for key, m := range doc.Components.Messages {
		typ := events.Type(m.Name)
		types = append(types, typ)
		if want := "./events/" + string(typ) + ".schema.json"; m.Payload.Schema.Ref != want || !strings.HasSuffix(m.Payload.Format, "2020-12") {
			t.Errorf("%s: schema %s in %s, want %s", key, m.Payload.Schema.Ref, m.Payload.Format, want)
		}
		schemas = append(schemas, path.Base(m.Payload.Schema.Ref))
		if cmp.Diff([]reference{{"#/components/messageTraits/event"}}, m.Traits) != "" {
			t.Errorf("%s: traits %v", key, m.Traits)
		}
	}
	slices.Sort(types)
	if diff := cmp.Diff(slices.Sorted(slices.Values(events.Types())), types); diff != "" {
		t.Errorf("types (-code +document):\n%s", diff)
	}
	for _, name := range schemas {
		if _, err := fs.Stat(events.Schemas(), name); err != nil {
			t.Error(err)
		}
	}
	if doc.Info.Version != events.Version {
		t.Errorf("version %s, the code has %s", doc.Info.Version, events.Version)
	}
	headers := slices.Sorted(maps.Keys(doc.Components.MessageTraits["event"].Headers.Properties))
	if diff := cmp.Diff([]string{events.HeaderType, events.HeaderVersion, "Nats-Msg-Id"}, headers); diff != "" {
		t.Errorf("headers (-code +document):\n%s", diff)
	}
}

func TestAsyncAPIChannels(t *testing.T) {
	t.Parallel()
	var doc document
	read(t, &doc)
	parameter := regexp.MustCompile(`{([a-z]+)}`)
	subjects, streams := map[string]string{}, map[string]string{}
	for _, s := range events.Subjects() {
		streams[s] = events.Stream
	}
	for _, s := range events.RecordSubjects() {
		streams[s] = events.RecordsStream
	}
	placed := map[string]string{} // the channel of each message
	for key, c := range doc.Channels {
		subjects[parameter.ReplaceAllString(c.Address, "*")] = c.Stream
		var named []string
		for _, m := range parameter.FindAllStringSubmatch(c.Address, -1) {
			named = append(named, m[1])
		}
		slices.Sort(named)
		if diff := cmp.Diff(named, slices.Sorted(maps.Keys(c.Parameters))); diff != "" {
			t.Errorf("%s: parameters (-address +document):\n%s", key, diff)
		}
		for name, ref := range c.Messages {
			if ref.Ref != "#/components/messages/"+name || placed[name] != "" {
				t.Errorf("%s: message %s is %s, on channel %s too", key, name, ref.Ref, placed[name])
			}
			placed[name] = key
		}
	}
	if diff := cmp.Diff(streams, subjects); diff != "" {
		t.Errorf("subjects and their streams (-code +document):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(doc.Components.Messages)), slices.Sorted(maps.Keys(placed))); diff != "" {
		t.Errorf("messages (-components +channels):\n%s", diff)
	}
	for key, o := range doc.Operations {
		var want, got []string
		for name, channel := range placed {
			if o.Channel.Ref == "#/channels/"+channel {
				want = append(want, o.Channel.Ref+"/messages/"+name)
			}
		}
		for _, m := range o.Messages {
			got = append(got, m.Ref)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 || o.Action != "receive" {
			t.Errorf("%s: %s (-channel +operation):\n%s", key, o.Action, diff)
		}
	}
	if len(doc.Operations) != len(doc.Channels) {
		t.Errorf("%d operations on %d channels", len(doc.Operations), len(doc.Channels))
	}
}

// The parts of a subject lie in the message where the document says, and every channel's messages are on its subject.
func TestAsyncAPILocationsHoldInTheGoldenMessages(t *testing.T) {
	t.Parallel()
	var doc document
	read(t, &doc)
	for key, c := range doc.Channels {
		for name := range c.Messages {
			raw, err := os.ReadFile("events/testdata/" + doc.Components.Messages[name].Name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var message map[string]any
			if err := json.Unmarshal(raw, &message); err != nil {
				t.Fatal(err)
			}
			subject := c.Address
			for param, p := range c.Parameters {
				steps := strings.Split(strings.TrimPrefix(p.Location, "$message.payload#/"), "/")
				value, _ := dig(message, steps[:len(steps)-1]...)[steps[len(steps)-1]].(string)
				subject = strings.ReplaceAll(subject, "{"+param+"}", value)
			}
			if want := subjectOf(t, raw); subject != want {
				t.Errorf("%s of %s: the document leads to subject %s, the code to %s", name, key, subject, want)
			}
		}
	}
}

// subjectOf is the NATS subject that the code gives a message.
func subjectOf(t *testing.T, raw []byte) string {
	t.Helper()
	var e events.Event
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	connection := strings.TrimPrefix(e.Source, "/connections/")
	switch kind, _, _ := strings.Cut(string(e.Type), "."); kind {
	case "job":
		return events.JobSubject(connection, e.Subject)
	case "record":
		kind, id, _ := strings.Cut(e.Subject, "/")
		return events.RecordSubject(connection, kind, id)
	default:
		return events.ConnectionSubject(connection)
	}
}

func dig(m map[string]any, steps ...string) map[string]any {
	for _, s := range steps {
		m, _ = m[s].(map[string]any)
	}
	return m
}
