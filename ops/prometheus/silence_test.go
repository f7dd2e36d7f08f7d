package prometheus_test

import (
	"regexp"
	"testing"
)

// inhibition is a rule of Alertmanager's by which one alert silences others.
type inhibition struct {
	Source []string `yaml:"source_matchers"`
	Target []string `yaml:"target_matchers"`
	Equal  []string `yaml:"equal"`
}

type labels map[string]string

var matcher = regexp.MustCompile(`^(\w+) *(=~|=) *"(.*)"$`)

// match says whether labels satisfy all matchers.
func match(t *testing.T, matchers []string, l labels) bool {
	t.Helper()
	all := true
	for _, text := range matchers {
		m := matcher.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("the matcher %s is of a form that this test does not know", text)
		}
		want := m[3]
		if m[2] == "=" {
			want = regexp.QuoteMeta(want)
		}
		all = all && regexp.MustCompile("^(?:"+want+")$").MatchString(l[m[1]])
	}
	return all
}

func TestAnAlertSilencesWhatItExplains(t *testing.T) {
	t.Parallel()
	var doc struct {
		Inhibitions []inhibition `yaml:"inhibit_rules"`
	}
	decode(t, "alertmanager.yml", &doc)
	silenced := func(by, l labels) bool {
		for _, i := range doc.Inhibitions {
			same := match(t, i.Source, by) && match(t, i.Target, l)
			for _, name := range i.Equal {
				same = same && by[name] == l[name]
			}
			if same {
				return true
			}
		}
		return false
	}
	outbox := labels{"alertname": "AshbridgeOutboxOld", "severity": "page"}
	for _, c := range []struct {
		by, alert labels
		want      bool
	}{
		{labels{"alertname": "AshbridgeNATSDisconnected", "severity": "page", "service": "notifier"}, outbox, true},
		{labels{"alertname": "AshbridgeNATSDisconnected", "severity": "page", "service": "up"}, outbox, true},
		{labels{"alertname": "AshbridgeNATSDisconnected", "severity": "page", "service": "gateway"}, outbox, false},
		{labels{"alertname": "AshbridgeNATSDisconnected", "severity": "page", "service": "syncer"}, outbox, false},
		{
			labels{"alertname": "AshbridgeNATSDisconnected", "severity": "page", "service": "gateway"},
			labels{"alertname": "AshbridgeInstanceDown", "severity": "ticket", "service": "gateway", "instance": "g1"},
			true,
		},
		{
			labels{"alertname": "AshbridgeNATSDisconnected", "severity": "page", "service": "gateway"},
			labels{"alertname": "AshbridgeInstanceDown", "severity": "ticket", "service": "syncer", "instance": "s1"},
			false,
		},
		{labels{"alertname": "AshbridgeDown", "severity": "page", "service": "notifier"}, outbox, true},
		{labels{"alertname": "AshbridgeDown", "severity": "page", "service": "gateway"}, outbox, false},
		{
			labels{"alertname": "AshbridgeDiskNearlyFull", "severity": "page", "instance": "a", "path": "/"},
			labels{"alertname": "AshbridgeDiskNearlyFull", "severity": "ticket", "instance": "b", "path": "/"},
			false,
		},
	} {
		if got := silenced(c.by, c.alert); got != c.want {
			t.Errorf("%v silences %v: %t, want %t", c.by, c.alert, got, c.want)
		}
	}
}
