// Package secretdir makes the files of secrets that a deployment in several processes needs, each for a variable that ends
// with _FILE or for a server's configuration. What is there is never replaced: called again, it makes what is missing, and
// makes it fit what is there.
package secretdir

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/durable"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// The files.
const (
	Keyset           = "keyset.json"
	NATSIssuer       = "nats-issuer"
	AdminToken       = "admin-token"
	PostgresPassword = "postgres-password"
	DatabaseURL      = "database-url"
	NATSPasswords    = "nats-passwords.conf"
	NATSAccounts     = "nats-accounts.conf"
	NATSRoutes       = "nats-routes.conf"
	GrafanaPassword  = "grafana-password"
	natsURL          = "nats-url-"
)

// Unchanged is an owner that is left as it is.
const Unchanged = -1

// Options say where the secrets are used.
type Options struct {
	Dir string
	// PostgresHost is a host, with or without port; user and database are named ashbridge.
	PostgresHost string
	// SSLMode is that of the database's URL. Where empty, it is disable for a host of this machine or a name without dots,
	// as containers have them, and verify-full for any other.
	SSLMode string
	// NATSHosts are hosts, with or without port.
	NATSHosts []string
	// Mode is that of the files; the keyset, which is refused where others may read it, has 0600 whatever it says. Zero
	// stands for 0600 for new files and no change for those that are there.
	Mode fs.FileMode
	// Owners of the files, by who reads them; Unchanged where nobody is named.
	Owner, PostgresOwner, NATSOwner, GrafanaOwner int
}

// State says what was done with a file.
type State string

// The states.
const (
	Made State = "made"
	Kept State = "kept"
	// Renewed is a file without secrets that is written by this program and was that of another version.
	Renewed State = "renewed"
)

// File is one of the files after Make.
type File struct {
	Path  string `json:"path"`
	State State  `json:"state"`
	// Use says who reads it.
	Use string `json:"use"`
	// Note says what does not fit, empty if all does.
	Note string `json:"note,omitempty"`
}

// WrongOption says what is wrong with an option: nothing was made.
type WrongOption string

func (w WrongOption) Error() string { return string(w) }

// Make makes what is missing. It ends at the first file that it cannot make or read; what was made until then stays.
func Make(o Options) ([]File, error) {
	if err := o.judge(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the secrets: %w", err)
	}
	w := &work{o: o}
	for _, step := range []func() error{w.keyset, w.natsFiles, w.adminToken, w.database, w.grafana} {
		if err := step(); err != nil {
			return w.files, err
		}
	}
	return w.files, nil
}

func (o *Options) judge() error {
	if o.Mode&^0o777 != 0 || o.Mode != 0 && (o.Mode&0o400 == 0 || o.Mode&0o133 != 0) {
		return WrongOption(fmt.Sprintf("mode %04o: its owner must be able to read a secret, and nobody else to write it", o.Mode))
	}
	for _, host := range append([]string{o.PostgresHost}, o.NATSHosts...) {
		if host == "" || strings.ContainsAny(host, "/@?# ") {
			return WrongOption(fmt.Sprintf("host %q: name it as host or host:port", host))
		}
	}
	if len(o.NATSHosts) == 0 {
		return WrongOption("no host of NATS is named")
	}
	if o.SSLMode == "" {
		o.SSLMode = "verify-full"
		if host := hostOf(o.PostgresHost); !strings.ContainsAny(host, ".:") || net.ParseIP(host).IsLoopback() {
			o.SSLMode = "disable"
		}
	}
	return nil
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

// work is one call of Make.
type work struct {
	o     Options
	files []File
}

func (w *work) path(name string) string { return filepath.Join(w.o.Dir, name) }

// read returns a file's content without the line's end, and whether it is there.
func (w *work) read(name string) (string, bool, error) {
	raw, err := os.ReadFile(w.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading a secret: %w", err)
	}
	content := strings.TrimSpace(string(raw))
	if content == "" {
		return "", false, fmt.Errorf("%s is empty: remove it, and it is made", w.path(name))
	}
	return content, true, nil
}

// ensure makes a file with the content unless there is one, and gives it its owner and mode. It returns the content that
// the file has.
func (w *work) ensure(name, use string, owner int, content func() (string, error)) (string, error) {
	present, isThere, err := w.read(name)
	if err != nil {
		return "", err
	}
	state := Kept
	if !isThere {
		if present, err = content(); err != nil {
			return "", err
		}
		if err := durable.Create(w.path(name), []byte(present+"\n")); err != nil {
			return "", fmt.Errorf("making %s: %w", w.path(name), err)
		}
		state = Made
	}
	return present, w.done(File{Path: w.path(name), State: state, Use: use}, owner, w.o.Mode)
}

// done gives the file its owner and mode, and notes it.
func (w *work) done(f File, owner int, mode fs.FileMode) error {
	w.files = append(w.files, f)
	if mode != 0 {
		if err := os.Chmod(f.Path, mode); err != nil {
			return fmt.Errorf("setting the mode of a secret: %w", err)
		}
	}
	if owner == Unchanged {
		owner = w.o.Owner
	}
	if owner == Unchanged {
		return nil
	}
	err := os.Lchown(f.Path, owner, -1)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("giving %s to user %d: only root may; run this as root, or as the user under whom the service runs, "+
			"without naming an owner: %w", f.Path, owner, err)
	}
	return err
}

// note adds to the file that was done last what does not fit.
func (w *work) note(format string, args ...any) {
	w.files[len(w.files)-1].Note = fmt.Sprintf(format, args...)
}

func (w *work) keyset() error {
	const use = "seals employers' keys, for ASHBRIDGE_KEYSET_FILE of gateway, syncer and notifier; back it up apart from the database"
	path, state := w.path(Keyset), Kept
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		state = Made
		_, err = seal.Create(path)
	}
	if err != nil {
		return err
	}
	mode := fs.FileMode(0)
	if w.o.Mode != 0 {
		mode = durable.Private // whatever others are given, a keyset that they may read is refused
	}
	return w.done(File{Path: path, State: state, Use: use}, Unchanged, mode)
}

func (w *work) adminToken() error {
	_, err := w.ensure(AdminToken, "first token of the API, for ASHBRIDGE_ADMIN_TOKEN_FILE of the gateways", Unchanged,
		func() (string, error) { return random("ash_"), nil })
	return err
}

func (w *work) grafana() error {
	_, err := w.ensure(GrafanaPassword, "Grafana's administrator, for GF_SECURITY_ADMIN_PASSWORD__FILE", w.o.GrafanaOwner,
		func() (string, error) { return random(""), nil })
	return err
}

// database makes the database's password and URL; where one is there, the other is made from it.
func (w *work) database() error {
	address, hasURL, err := w.read(DatabaseURL)
	if err != nil {
		return err
	}
	fromURL := ""
	if hasURL {
		if fromURL, err = passwordOf(w.path(DatabaseURL), address); err != nil {
			return err
		}
	}
	password, err := w.ensure(PostgresPassword, "the database's user ashbridge, for POSTGRES_PASSWORD_FILE of its server", w.o.PostgresOwner,
		func() (string, error) { return orRandom(fromURL, ""), nil })
	if err != nil {
		return err
	}
	_, err = w.ensure(DatabaseURL, "for ASHBRIDGE_DATABASE_URL_FILE of gateway, syncer, notifier and migrate", Unchanged,
		func() (string, error) {
			made := url.URL{
				Scheme: "postgres", User: url.UserPassword("ashbridge", password), Host: w.o.PostgresHost, Path: "/ashbridge",
				RawQuery: "sslmode=" + url.QueryEscape(w.o.SSLMode),
			}
			return made.String(), nil
		})
	if hasURL && fromURL != password {
		w.note("its password is not that of %s", PostgresPassword)
	}
	return err
}

// passwordOf is the password in an address. The address is not repeated in the error.
func passwordOf(path, address string) (string, error) {
	first, _, _ := strings.Cut(address, ",")
	parsed, err := url.Parse(first)
	if err != nil {
		return "", fmt.Errorf("%s holds no address", path)
	}
	password, _ := parsed.User.Password()
	return password, nil
}

// accountsText is the file that a NATS server includes: the accounts of this version, with the passwords beside it. What
// a file includes knows the names that stand in that file alone, hence the line within it.
func accountsText() string {
	return "# Written by `ashbridge keys init`, which renews it after an upgrade: ops/nats/accounts.conf with the values of its variables.\n" +
		"include ./" + NATSPasswords + "\n\n" + natsconf.Accounts
}
