package secretdir

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/durable"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

const (
	natsPort      = "4222"
	routePort     = "6222"
	routePassword = "ROUTE_PASSWORD"
	issuerName    = "BOARDS_ISSUER"
	passwordEnd   = "_PASSWORD"
)

// users log in at NATS, each with an address of its own.
func users() []string {
	return []string{natsconf.UserAdmin, natsconf.UserGateway, natsconf.UserSyncer, natsconf.UserNotifier}
}

func random(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

func orRandom(present, prefix string) string {
	if present != "" {
		return present
	}
	return random(prefix)
}

// natsFiles makes the issuer, the passwords with its public key, the accounts, and the services' addresses.
func (w *work) natsFiles() error {
	seed, err := w.ensure(NATSIssuer, "signs which board may log in, for ASHBRIDGE_NATS_ISSUER_FILE of the gateways", Unchanged,
		func() (string, error) {
			seed, _, err := bus.NewIssuer()
			return seed, err
		})
	if err != nil {
		return err
	}
	public, err := bus.IssuerKey(seed)
	if err != nil {
		return fmt.Errorf("%s holds something else: %w", w.path(NATSIssuer), err)
	}
	vars, err := w.natsPasswords(public)
	if err != nil {
		return err
	}
	if err := w.natsAccounts(); err != nil {
		return err
	}
	if err := w.natsRoutes(); err != nil {
		return err
	}
	for _, user := range users() {
		if err := w.natsURL(user, vars[strings.ToUpper(user)+passwordEnd]); err != nil {
			return err
		}
	}
	return nil
}

// natsPasswords makes the variables that accounts.conf names, with the passwords of addresses that are there.
func (w *work) natsPasswords(public string) (map[string]string, error) {
	text, err := w.ensure(NATSPasswords, "passwords of the services and of the user admin at NATS, included by "+NATSAccounts, w.o.NATSOwner,
		func() (string, error) {
			lines := []string{"# Passwords of ops/nats/accounts.conf, made by `ashbridge keys init`."}
			for _, user := range users() {
				present, err := w.presentPassword(user)
				if err != nil {
					return "", err
				}
				lines = append(lines, strings.ToUpper(user)+passwordEnd+": "+strconv.Quote(orRandom(present, "ash_nats_")))
			}
			return strings.Join(append(lines, issuerName+": "+strconv.Quote(public)), "\n"), nil
		})
	if err != nil {
		return nil, err
	}
	vars := variables(text)
	for _, user := range users() {
		if name := strings.ToUpper(user) + passwordEnd; vars[name] == "" {
			return nil, fmt.Errorf("%s does not set %s: add it, as %s: \"...\"", w.path(NATSPasswords), name, name)
		}
	}
	if vars[issuerName] != public {
		w.note("its %s is not the public key of %s, which is %s: no board could log in", issuerName, NATSIssuer, public)
	}
	return vars, nil
}

func (w *work) presentPassword(user string) (string, error) {
	address, isThere, err := w.read(natsURL + user)
	if err != nil || !isThere {
		return "", err
	}
	return passwordOf(w.path(natsURL+user), address)
}

var assignment = regexp.MustCompile(`(?m)^\s*([A-Z_]+)\s*[:=]?\s*("(?:[^"\\]|\\.)*"|[^\s#"]+)`)

// variables reads the assignments of a configuration of NATS, one a line.
func variables(text string) map[string]string {
	vars := map[string]string{}
	for _, m := range assignment.FindAllStringSubmatch(text, -1) {
		value := m[2]
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		vars[m[1]] = value
	}
	return vars
}

// natsAccounts writes the accounts. They hold no secret and are those of this version of the program, so a file of another
// version is renewed.
func (w *work) natsAccounts() error {
	path, state := w.path(NATSAccounts), Kept
	present, err := os.ReadFile(path)
	switch {
	case os.IsNotExist(err):
		state, err = Made, durable.Create(path, []byte(accountsText()))
	case err == nil && string(present) != accountsText():
		state, err = Renewed, durable.Replace(path, []byte(accountsText()))
	}
	if err != nil {
		return fmt.Errorf("writing NATS's accounts: %w", err)
	}
	return w.done(File{Path: path, State: state, Use: "who may do what at NATS, for `include` in the server's configuration"},
		w.o.NATSOwner, w.o.Mode)
}

// natsRoutes makes the variables by which the servers of a cluster find one another, where there are several.
func (w *work) natsRoutes() error {
	if len(w.o.NATSHosts) < 2 {
		return nil
	}
	_, err := w.ensure(NATSRoutes, "password and addresses of the servers of a cluster among themselves, for `include` in each one's configuration", w.o.NATSOwner,
		func() (string, error) {
			password := random("ash_nats_")
			lines := []string{"# Variables of ops/nats/cluster/nats.conf, made by `ashbridge keys init`.", routePassword + ": " + strconv.Quote(password)}
			for i, host := range w.o.NATSHosts {
				one := url.URL{Scheme: "nats-route", User: url.UserPassword("route", password), Host: net.JoinHostPort(hostOf(host), routePort)}
				lines = append(lines, fmt.Sprintf("ROUTE_%d: %q", i+1, one.String()))
			}
			return strings.Join(lines, "\n"), nil
		})
	return err
}

func (w *work) natsURL(user, password string) error {
	name, use := natsURL+user, "for ASHBRIDGE_NATS_URL_FILE of "+user
	if user == natsconf.UserAdmin {
		use = "for --nats-url-file of a person's `ashbridge doctor` and `ashbridge events`, not for a service"
	}
	content, err := w.ensure(name, use, Unchanged, func() (string, error) {
		var all []string
		for _, host := range w.o.NATSHosts {
			if _, _, err := net.SplitHostPort(host); err != nil {
				host = net.JoinHostPort(strings.Trim(host, "[]"), natsPort)
			}
			one := url.URL{Scheme: "nats", User: url.UserPassword(user, password), Host: host}
			all = append(all, one.String())
		}
		return strings.Join(all, ","), nil
	})
	if err != nil {
		return err
	}
	inURL, err := passwordOf(w.path(name), content)
	if err == nil && inURL != password {
		w.note("its password is not that of %s", NATSPasswords)
	}
	return err
}
