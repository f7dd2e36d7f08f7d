package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// cluster is three NATS servers as processes, by the files in ops/nats.
type cluster struct {
	nodes     []string
	env       map[string][]string
	addrs     []string
	passwords map[string]string
}

// startCluster starts three and lets p's judges see everything.
func startCluster(t *testing.T, p *processes) *cluster {
	t.Helper()
	c := &cluster{nodes: []string{"nats/a", "nats/b", "nats/c"}, env: map[string][]string{}, passwords: map[string]string{}}
	config, err := filepath.Abs("../../ops/nats/cluster/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, issuer, err := bus.NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	shared := []string{"BOARDS_ISSUER=" + issuer}
	for _, user := range []string{natsconf.UserAdmin, natsconf.UserGateway, natsconf.UserSyncer, natsconf.UserNotifier} {
		c.passwords[user] = "p" + rand.Text()
		shared = append(shared, strings.ToUpper(user)+"_PASSWORD="+c.passwords[user])
	}
	var routes []string
	for range c.nodes {
		c.addrs, routes = append(c.addrs, localtest.FreeAddr(t)), append(routes, localtest.FreeAddr(t))
	}
	routePassword := "r" + rand.Text()
	for i, name := range c.nodes {
		node := bustest.Node{Config: config, Dir: filepath.Join(t.TempDir(), "nats"), Addr: c.addrs[i], RouteAddr: routes[i]}
		c.env[name] = append(node.Environ(name, routePassword, routes), shared...)
		p.launch(name, "", c.env[name]...)
	}
	p.natsURL = c.as(natsconf.UserAdmin)
	return c
}

// as is the address of all three for a user.
func (c *cluster) as(user string) string {
	var all []string
	for _, addr := range c.addrs {
		all = append(all, (&url.URL{Scheme: "nats", User: url.UserPassword(user, c.passwords[user]), Host: addr}).String())
	}
	return strings.Join(all, ",")
}

// TestClusterLosesAServer has a cluster of three keep the streams, kills the leader of JOBS under load, and then the same
// server as a follower. Each time the events go on and nothing is lost or doubled, and the server that comes back catches up.
// Most of its time goes by while the servers wait, four to nine seconds, before they elect another leader.
func TestClusterLosesAServer(t *testing.T) {
	t.Parallel()
	p := newProcesses(t, ashbytest.Options{Seed: 23, RetryScale: 0.02, RequestsPerMinute: 1 << 20})
	c := startCluster(t, p)
	p.migrate(p.binary)
	for _, service := range []string{natsconf.UserGateway, natsconf.UserSyncer, natsconf.UserNotifier} {
		p.launch(service, p.binary, "ASHBRIDGE_NATS_URL="+c.as(service), "ASHBRIDGE_NATS_REPLICAS=3")
	}
	p.waitReady(natsconf.UserGateway)
	nc, err := nats.Connect(p.natsURL, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	org := p.sim.AddOrganization("trio", "Trio Ltd")
	org.Generate(40)
	doc := p.connect(org)
	db := openSQL(t, p.dbURL)
	agreed := func() error { return agree(t.Context(), db, p.natsURL, doc.ID, org) }
	wait(t, "the first synchronisation is done", agreed, p.logs.tail)
	for _, stream := range []string{bus.StreamJobs, bus.StreamSpill, bus.StreamHints} {
		wait(t, stream+" is on three servers", func() error { return whole(t.Context(), js, stream) }, p.logs.tail)
	}

	began := time.Now()
	load := startLoadEvery(t, org, 50*time.Millisecond)
	victim := ""
	for _, role := range []string{"leader", "follower"} { // the one that led and came back leads nothing
		info, err := streamInfo(t.Context(), js, bus.StreamJobs)
		if err != nil {
			t.Fatal(err)
		}
		if role == "leader" {
			victim = info.Cluster.Leader
		}
		from := load.changes()
		wait(t, "the load goes on", func() error { return atLeast(load.changes()-from, 5) }, p.logs.tail)
		killed := time.Now()
		p.kill(victim)
		wait(t, "events go on without the "+role, func() error {
			now, err := streamInfo(t.Context(), js, bus.StreamJobs)
			if err != nil {
				return err
			}
			return atLeast(int(now.State.LastSeq)-int(info.State.LastSeq), 20)
		}, p.logs.tail)
		t.Logf("without the %s, events went on in %s", role, time.Since(killed).Round(10*time.Millisecond))
		p.launch(victim, "", c.env[victim]...)
		wait(t, "the "+role+" is back and has caught up", func() error { return whole(t.Context(), js, bus.StreamJobs) }, p.logs.tail)
	}
	load.end()
	ms, judged := p.judge(db, agreed)
	if judged == 0 {
		t.Error("no webhook was judged")
	}
	var worst time.Duration
	for i := 1; i < len(ms); i++ {
		if ms[i-1].Event.Time.After(began) {
			worst = max(worst, ms[i].Event.Time.Sub(ms[i-1].Event.Time))
		}
	}
	t.Logf("%d changes, %d webhooks; the longest time without an event was %s", load.changes(), judged, worst.Round(10*time.Millisecond))
}

func streamInfo(ctx context.Context, js jetstream.JetStream, name string) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// whole is an error unless a stream has a leader and two followers that have all of it.
func whole(ctx context.Context, js jetstream.JetStream, name string) error {
	info, err := streamInfo(ctx, js, name)
	if err != nil {
		return err
	}
	current := 0
	if info.Cluster != nil {
		for _, r := range info.Cluster.Replicas {
			if r.Current && !r.Offline {
				current++
			}
		}
	}
	if info.Config.Replicas != 3 || current != 2 {
		return fmt.Errorf("%s is to be on %d servers, and %d follow", name, info.Config.Replicas, current)
	}
	return nil
}
