package e2e

import (
	"fmt"
	"net/http"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// read names what a request asked for: the object, or with an empty id the list.
type read struct{ org, method, id string }

// answerWay is how long an answer may take from Ashbridge to the simulator's clock on a busy machine. The hint leaves
// after the answer, but on a way of its own: its read may reach the simulator before the simulator has noticed the
// answer. A read that was under way for another webhook may also begin between commit and answer. What counts is that it
// began after the commit that the answer stands for, and the commit lies between the sending and the answer.
const answerWay = 250 * time.Millisecond

// committed is the earliest time at which a delivery may have been committed, as far as can be seen from outside. What
// the webhook tells of had changed before that.
func committed(d ashbytest.Attempt) time.Time {
	if early := d.AnsweredAt.Add(-answerWay); early.After(d.SentAt) {
		return early
	}
	return d.SentAt
}

// faultsOfRefresh judges P1: each webhook answered 2xx was followed by an answered read of the very object of the very
// employer, one that does not exist included; a webhook that names no object, by a listing of the employer's postings.
// It also tells how many webhooks were judged: pings, and what is about nothing that a public job is made of, ask for no read.
func faultsOfRefresh(deliveries []ashbytest.Attempt, requests []ashbytest.Request) (judged int, faults []string) {
	methods := map[string]string{}
	for _, resource := range ashby.Catalogue() {
		if resource.Kind != ashby.KindPosting && resource.Kind != ashby.KindJob {
			continue
		}
		for _, action := range resource.Actions {
			methods[action] = resource.Info
		}
	}
	latest := map[read]time.Time{}
	for _, r := range requests {
		key := read{r.Org, r.Method, r.ID}
		if r.Status == http.StatusOK && r.At.After(latest[key]) {
			latest[key] = r.At
		}
	}
	for _, d := range deliveries {
		method, known := methods[d.Action]
		if !known || d.Status < 200 || d.Status > 299 {
			continue
		}
		judged++
		want := read{d.Org, method, d.Object}
		if d.Object == "" {
			want.method = "jobPosting.list"
		}
		if !latest[want].After(committed(d)) {
			faults = append(faults, fmt.Sprintf("%s of %s was answered %d at %s, and %s was read last at %s",
				d.Action, d.Object, d.Status, d.AnsweredAt.Format(time.StampMicro), want.method, latest[want].Format(time.StampMicro)))
		}
	}
	return judged, faults
}
