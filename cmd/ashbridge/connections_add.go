package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

// maxKeyFile bounds what is read for a key, so that a wrong file cannot fill the memory.
const maxKeyFile = 64 << 10

// addOptions are the flags of connections add.
type addOptions struct {
	ref, name, interval, keyFile string
	modules                      []string
	noWait                       bool
}

func newConnectionsAdd() *cobra.Command {
	var o addOptions
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Connect an employer, and watch the first sync",
		Long: "Connect an employer, and watch the first sync.\n\n" +
			"The Ashby API key is asked for at the terminal, where it does not show, or read from --api-key-file, or from the input\n" +
			"where that is no terminal. It is no flag: command lines stay in the shell's history, and every user of a machine can\n" +
			"read them.\n\n" +
			"What the key may do is looked at first, and a key that does not suffice is refused with what to change in Ashby. Then the\n" +
			"webhook settings to make in Ashby are printed, with the secret that is shown this once, and the first sync is watched.\n" +
			"Ctrl-C ends the watching and not the sync.",
		Example: "  ashbridge connections add --employer-ref acme --employer-name 'Acme GmbH'\n" +
			"  ashbridge connections add --employer-ref acme --employer-name Acme --api-key-file acme.key --no-wait --json",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.ref, "employer-ref", "", "your own name for the employer, which its jobs carry")
	f.StringVar(&o.name, "employer-name", "", "the employer's name as candidates read it")
	f.StringSliceVar(&o.modules, "modules", nil, "what is read beside the jobs, with commas: "+strings.Join(beside(), ", "))
	f.StringVar(&o.interval, "poll-interval", "", "how often it is compared with Ashby, such as 30m; the gateway's own where empty")
	keyFileFlag(cmd, &o.keyFile)
	f.BoolVar(&o.noWait, "no-wait", false, "do not watch the first sync")
	_ = cmd.MarkFlagRequired("employer-ref") // fails only for a flag that is not there
	_ = cmd.MarkFlagRequired("employer-name")
	complete(cmd, "modules", beside()...)
	for _, name := range []string{"employer-ref", "employer-name", "poll-interval"} {
		complete(cmd, name)
	}
	return asking(cmd, func(a *asker, _ []string) error { return runAdd(a, o) })
}

// beside are the modules that may be asked for beside jobs, which everybody has.
func beside() []string {
	return slices.DeleteFunc(ashby.Modules(), func(m string) bool { return m == "jobs" })
}

func keyFileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "api-key-file", "", "file with the Ashby API key, - for the input")
}

func runAdd(a *asker, o addOptions) error {
	key, err := a.readKey(o.keyFile, "Ashby API key of "+o.name)
	if err != nil {
		return err
	}
	body := map[string]any{"employer_ref": o.ref, "employer_name": o.name, "api_key": key.Reveal()}
	if len(o.modules) > 0 {
		body["modules"] = o.modules
	}
	if o.interval != "" {
		body["poll_interval"] = o.interval
	}
	if isTerminal(a.errOut()) {
		a.tell("asking Ashby what the key may do …")
	}
	var c apiclient.Connection
	answer, err := a.send(http.MethodPost, "/v1/connections", body, &c)
	if err != nil {
		return err
	}
	// At once, since the webhook secret in it is shown this once.
	err = a.show(answer, func() {
		a.say("%s is connected: %s\n", title(c), c.ID)
		printReport(a.out(), c.Report)
		a.say("")
		a.showSetup(c)
	})
	if err != nil || o.noWait {
		return err
	}
	return newSyncWatch(a, c.ID, "the first sync").run(a.ctx())
}

// showSetup prints what is entered in Ashby.
func (a *asker) showSetup(c apiclient.Connection) {
	if c.WebhookSetup == nil {
		return
	}
	a.say("Webhooks: in Ashby, open Admin, Integrations, Webhooks, and make a new setting for each of these types, with its request\n"+
		"URL and the secret token. Until then changes are found by comparing, every %s.\n", c.PollInterval)
	_ = printTable(a.out(), []column[apiclient.WebhookType]{ // a broken output ends the command anyway
		{"TYPE", func(t apiclient.WebhookType) string { return t.EventType }},
		{"REQUEST URL", func(t apiclient.WebhookType) string { return t.URL }},
	}, c.WebhookSetup.Types)
	if c.WebhookSetup.Secret != "" {
		a.say("\nsecret token  %s   (shown this once)\n", c.WebhookSetup.Secret)
	}
	a.say("`ashbridge webhooks setup %s` makes them instead, with a key that may write API Keys;\n"+
		"`ashbridge webhooks list %s` tells which of them work.\n", c.ID, c.ID)
}

// readKey reads an Ashby API key: from a file, from a person at the terminal, or from the input.
func (a *asker) readKey(file, prompt string) (ashby.Secret, error) {
	key, err := a.readSecret(file, prompt)
	if err != nil {
		return "", err
	}
	if key == "" {
		return "", usagef("there is no API key: type it at the prompt, pipe it in, or name its file with --api-key-file")
	}
	return ashby.Secret(key), nil
}

func (a *asker) readSecret(file, prompt string) (string, error) {
	if file != "" && file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", usagef("--api-key-file: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		return firstLine(f)
	}
	in := a.cmd.InOrStdin()
	if file == "" {
		if d, ok := newDialog(in, a.errOut()); ok {
			return d.secret(prompt + ": ")
		}
		if isTerminal(in) {
			return "", usagef("the prompt for the API key would not be seen: do not redirect the error output, or use --api-key-file")
		}
	}
	return firstLine(in)
}

// firstLine reads what is before the end of the line.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, maxKeyFile)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the API key: %w", err)
	}
	return strings.TrimSpace(line), nil
}

func newConnectionsRotateKey() *cobra.Command {
	var keyFile string
	cmd := newOnConnection("rotate-key", "Replace a connection's Ashby API key",
		"The new key is read as `ashbridge connections add` reads it, and checked before it takes the old one's place, so that\n"+
			"there is no gap: it must suffice, and be of the same Ashby organization. Disable the old key in Ashby afterwards.\n",
		func(a *asker, name string) error {
			id, err := a.idOf(name)
			if err != nil {
				return err
			}
			key, err := a.readKey(keyFile, "new Ashby API key of "+name)
			if err != nil {
				return err
			}
			return a.patch(id, map[string]any{"api_key": key.Reveal()}, func(c apiclient.Connection) {
				a.say("%s has a new key, %s; the old one can be disabled in Ashby.\n", title(c), keyLine(c))
				printReport(a.out(), c.Report)
			})
		})
	keyFileFlag(cmd, &keyFile)
	return cmd
}
