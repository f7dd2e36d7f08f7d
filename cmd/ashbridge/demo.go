package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/internal/loop"
)

const (
	demoPostings = 40
	demoSeed     = 1
	demoChurn    = 2 * time.Second
	// demoRef names the demo's employer in the API.
	demoRef = "northwind"
)

// demo is a simulated Ashby in this process, with one employer whose jobs keep changing. Its state outlives the process
// in the data folder: a simulator that started anew would take back all that changed in the run before.
type demo struct {
	sim   *ashbytest.Simulator
	org   *ashbytest.Organization
	key   string
	ln    net.Listener
	state *demoState
	board *demoBoard
	tell  func(string)
}

// newDemo makes the listener and the simulator, with the employer of the run before if there was one.
func newDemo(ctx context.Context, dir string, tell func(string)) (*demo, error) {
	ln, err := listenNear(ctx, "127.0.0.1:8090")
	if err != nil {
		return nil, err
	}
	d := &demo{sim: ashbytest.New(ashbytest.Options{Seed: demoSeed, Control: true}), ln: ln, state: newDemoState(dir), tell: tell}
	isKept, err := d.state.load(d.sim)
	if err != nil {
		tell("the demo starts afresh: " + err.Error())
	}
	d.org = d.sim.AddOrganization(demoRef, "Northwind Robotics")
	if !isKept {
		d.org.Generate(demoPostings)
	}
	if keys := d.org.Keys(); len(keys) > 0 {
		d.key = keys[0]
	} else {
		d.key = d.org.AddKey(ashbytest.KeyOptions{Title: "Ashbridge"})
	}
	return d, nil
}

// listenNear listens on an address, or where it is taken, on any free port of this host.
func listenNear(ctx context.Context, addr string) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return listen(ctx, "127.0.0.1:0", "nothing")
	}
	return ln, nil
}

func (d *demo) url() string { return "http://" + d.ln.Addr().String() }

// run serves the simulator, connects the employer as a person would, by the API, keeps changing jobs, and shows them on
// the board.
func (d *demo) run(ctx context.Context, c *apiclient.Client) error {
	defer d.sim.Close()
	err := together(ctx,
		func(ctx context.Context) error { return serveSim(ctx, d.ln, d.sim) },
		func(ctx context.Context) error {
			if err := d.connect(ctx, c); err != nil {
				return fmt.Errorf("connecting the demo's employer: %w", err)
			}
			d.keep() // the webhook secret was shown once
			return together(ctx,
				func(ctx context.Context) error { return d.board.run(ctx, c, d.tell) },
				func(ctx context.Context) error {
					return churn(ctx, d.org, demoChurn, func(string) {
						if d.state.isDue() {
							d.keep()
						}
					})
				})
		})
	d.keep()
	return err
}

// keep saves the state. Without it the demo still runs, so that a full disk does not end it.
func (d *demo) keep() {
	if err := d.state.save(d.sim); err != nil {
		d.tell("the demo's state is not kept: " + err.Error())
	}
}

// connect registers the employer, or finds it from an earlier run and has it read again at once. Its webhook secret is
// renewed only where the simulator lacks the settings: the gateway shows each secret once.
func (d *demo) connect(ctx context.Context, c *apiclient.Client) error {
	if err := waitUp(ctx, c); err != nil {
		return err
	}
	conn, isKnown, err := knownConnection(ctx, c, demoRef)
	if err != nil {
		return err
	}
	if !isKnown {
		_, err = c.Call(ctx, http.MethodPost, "/v1/connections", map[string]any{
			"employer_ref": demoRef, "employer_name": d.org.Name(), "api_key": d.key,
		}, &conn)
	} else if !hasWebhooks(d.org, conn.WebhookSetup.URLs) {
		_, err = c.Call(ctx, http.MethodPatch, "/v1/connections/"+conn.ID, map[string]any{"rotate_webhook_secret": true}, &conn)
	}
	if err != nil {
		return err
	}
	if secret := conn.WebhookSetup.Secret; secret != "" {
		d.org.RemoveWebhooks() // those of another gateway, or of this one at another address
		if err := addWebhooks(d.org, conn.WebhookSetup.URLs, secret); err != nil {
			return err
		}
	}
	d.tell("employer   " + d.org.Name() + "  " + c.Base() + "/v1/connections/" + conn.ID)
	if !isKnown {
		return nil
	}
	_, err = c.Call(ctx, http.MethodPost, "/v1/connections/"+conn.ID+"/sync", nil, nil)
	return err
}

// knownConnection finds an employer's connection from an earlier run. One that was removed has no webhook setup and does
// not count.
func knownConnection(ctx context.Context, c *apiclient.Client, ref string) (conn apiclient.Connection, isKnown bool, err error) {
	page, err := apiclient.List[apiclient.Connection](ctx, c, "/v1/connections", "connections", nil, 0)
	if err != nil {
		return apiclient.Connection{}, false, err
	}
	for _, conn := range page.Items {
		if conn.EmployerRef == ref && conn.WebhookSetup != nil {
			return conn, true, nil
		}
	}
	return apiclient.Connection{}, false, nil
}

// webhookURLs are the addresses of all event types below a base.
func webhookURLs(base string) map[string]string {
	urls := map[string]string{}
	for _, action := range ashby.WebhookActions() {
		urls[action] = base + "/" + action
	}
	return urls
}

// hasWebhooks says whether the simulated Ashby has all these settings, made in an earlier run.
func hasWebhooks(org *ashbytest.Organization, urls map[string]string) bool {
	for action, url := range urls {
		if !org.HasWebhook(action, url) {
			return false
		}
	}
	return len(urls) > 0
}

// addWebhooks makes the webhook settings in the simulated Ashby, as an administrator would by hand.
func addWebhooks(org *ashbytest.Organization, urls map[string]string, secret string) error {
	var errs []error
	for action, url := range urls {
		if err := org.AddWebhook(action, url, secret); err != nil {
			errs = append(errs, fmt.Errorf("adding the webhook %s: %w", action, err))
		}
	}
	return errors.Join(errs...)
}

// waitUp waits until the gateway answers.
func waitUp(ctx context.Context, c *apiclient.Client) error {
	backoff := loop.Backoff{Min: 10 * time.Millisecond, Max: 200 * time.Millisecond}
	for {
		if _, err := c.Call(ctx, http.MethodGet, "/v1/connections", nil, nil); err == nil {
			return nil
		}
		if err := loop.Sleep(ctx, backoff.Next()); err != nil {
			return err
		}
	}
}
