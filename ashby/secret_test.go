package ashby

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	s := testKey
	type holder struct {
		Key  Secret
		Keys []Secret
		By   map[string]Secret
		Ptr  *Secret
	}
	h := holder{Key: s, Keys: []Secret{s}, By: map[string]Secret{"a": s}, Ptr: &s}
	var printed []string
	for _, verb := range strings.Split("v +v #v s q x X d t c b o U e 10s -40s .3s +q #x", " ") {
		for _, v := range []any{s, &s, []Secret{s}, map[Secret]int{s: 1}, map[string]Secret{"k": s}, h, &h} {
			printed = append(printed, fmt.Sprintf("%"+verb, v))
		}
	}
	printed = append(printed, fmt.Sprint(s), fmt.Sprintln(s), fmt.Errorf("key %v: %w", s, ErrRefused).Error(), s.String(), s.GoString())
	for _, v := range []any{s, &s, h} {
		doc, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed = append(printed, string(doc))
	}
	doc, err := xml.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	printed = append(printed, string(doc))
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("message", "key", s, "pointer", &s, "holder", h, slog.Group("g", "key", s))
		printed = append(printed, b.String())
	}
	for _, text := range printed {
		plain := strings.ToLower(text)
		if strings.Contains(plain, s.Reveal()[:8]) || strings.Contains(plain, fmt.Sprintf("%x", s.Reveal()[:8])) {
			t.Errorf("the secret shows in %q", text)
		}
	}
	if got := fmt.Sprintf("%s %q %v", s, s, s); got != "[redacted] [redacted] [redacted]" {
		t.Errorf("got %q", got)
	}
	if s.Reveal() != string(testKey) {
		t.Error("Reveal does not give the content")
	}
	var in Secret
	if err := json.Unmarshal([]byte(`"abc"`), &in); err != nil || in.Reveal() != "abc" {
		t.Errorf("a secret cannot be read from JSON: %v", err)
	}
}
