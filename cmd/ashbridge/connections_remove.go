package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

// The choices for the jobs of an employer who disconnects.
const (
	keepJobs  = "keep"
	closeJobs = "close"
)

func newConnectionsRemove() *cobra.Command {
	var jobs string
	var yes bool
	cmd := newOnConnection("remove", "Disconnect an employer for good",
		"The key and the webhook secret are forgotten, and the webhook settings that were made through the API are deleted at Ashby.\n"+
			"What becomes of the public jobs is the employer's choice: --jobs keep leaves them on the boards as they are, --jobs close\n"+
			"closes them on every board. At a terminal both are asked for; elsewhere --jobs and --yes are needed.\n",
		func(a *asker, name string) error { return runRemove(a, name, jobs, yes) })
	cmd.Flags().StringVar(&jobs, "jobs", "", "what becomes of the public jobs: keep or close")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask whether it is meant")
	complete(cmd, "jobs", keepJobs, closeJobs)
	return cmd
}

func runRemove(a *asker, name, jobs string, yes bool) error {
	if jobs != "" && jobs != keepJobs && jobs != closeJobs {
		return usagef("--jobs %q: choose keep (the jobs stay as they are) or close (they close on every board)", jobs)
	}
	d, isAsking := newDialog(a.cmd.InOrStdin(), a.errOut())
	if !isAsking && (jobs == "" || !yes) {
		return usagef("nobody is at the terminal to be asked: say --jobs keep or --jobs close, and --yes")
	}
	c, _, err := a.find(name)
	if err != nil {
		return err
	}
	if jobs == "" {
		if jobs, err = askJobs(d, c); err != nil {
			return err
		}
	}
	if !yes {
		what := map[string]string{keepJobs: "leave its %d public jobs on the boards", closeJobs: "close its %d public jobs on every board"}[jobs]
		ok, err := d.confirm(fmt.Sprintf("Disconnect %s for good, and "+what+"?", title(c), c.Counts.Public))
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("not confirmed: nothing was changed")
		}
	}
	answer, err := a.send(http.MethodDelete, apiclient.Path("v1", "connections", c.ID)+"?jobs="+jobs, nil, nil)
	if err != nil {
		return err
	}
	return a.show(answer, func() {
		what := map[string]string{keepJobs: "stay on the boards as they are", closeJobs: "close on every board"}[jobs]
		a.say("%s is disconnected; its %d public jobs %s.", title(c), c.Counts.Public, what)
	})
}

// askJobs asks what becomes of the jobs, which has no default.
func askJobs(d dialog, c apiclient.Connection) (string, error) {
	for {
		answer, err := d.line(fmt.Sprintf("%s has %d public jobs. Keep them on the boards, or close them? [keep/close] ", title(c), c.Counts.Public))
		if err != nil {
			return "", err
		}
		if answer == keepJobs || answer == closeJobs {
			return answer, nil
		}
	}
}
