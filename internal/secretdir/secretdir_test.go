package secretdir_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/internal/secretdir"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

func options(dir string) secretdir.Options {
	return secretdir.Options{
		Dir: dir, PostgresHost: "postgres", NATSHosts: []string{"nats"}, Owner: secretdir.Unchanged,
		PostgresOwner: secretdir.Unchanged, NATSOwner: secretdir.Unchanged, GrafanaOwner: secretdir.Unchanged,
	}
}

// create returns the files' contents by name.
func create(t *testing.T, o secretdir.Options) ([]secretdir.File, map[string]string) {
	t.Helper()
	files, err := secretdir.Make(o)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for _, f := range files {
		raw, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		contents[filepath.Base(f.Path)] = string(raw)
	}
	return files, contents
}

// state is what was done with a file, and what was noted of it.
func state(files []secretdir.File, name string) (secretdir.State, string) {
	for _, f := range files {
		if filepath.Base(f.Path) == name {
			return f.State, f.Note
		}
	}
	return "absent", ""
}

func TestEveryFileIsMadeOnceForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	o := options(filepath.Join(t.TempDir(), "secrets"))
	files, first := create(t, o)
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 || f.State != secretdir.Made || f.Note != "" {
			t.Errorf("%s: %s with mode %o, note %q", f.Path, f.State, info.Mode().Perm(), f.Note)
		}
	}
	if len(files) != 12 {
		t.Errorf("%d files", len(files))
	}
	again, second := create(t, o)
	for _, f := range again {
		if f.State != secretdir.Kept || f.Note != "" {
			t.Errorf("again, %s is %s, note %q", f.Path, f.State, f.Note)
		}
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error("the second call changed a file")
	}
	if _, err := seal.Load(filepath.Join(o.Dir, secretdir.Keyset)); err != nil {
		t.Error(err)
	}
	if _, err := config.Load(map[string]string{
		"ASHBRIDGE_KEYSET_FILE":       filepath.Join(o.Dir, secretdir.Keyset),
		"ASHBRIDGE_ADMIN_TOKEN_FILE":  filepath.Join(o.Dir, secretdir.AdminToken),
		"ASHBRIDGE_NATS_ISSUER_FILE":  filepath.Join(o.Dir, secretdir.NATSIssuer),
		"ASHBRIDGE_NATS_URL_FILE":     filepath.Join(o.Dir, "nats-url-gateway"),
		"ASHBRIDGE_DATABASE_URL_FILE": filepath.Join(o.Dir, secretdir.DatabaseURL),
		"ASHBRIDGE_PUBLIC_URL":        "https://ashbridge.example.com",
		"HOME":                        "/home/a",
	}, nil, config.Gateway); err != nil {
		t.Errorf("a gateway takes them not: %v", err)
	}
}

func TestWhatIsMissingIsMadeToFitWhatIsThere(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	_, first := create(t, o)
	for _, gone := range [][]string{
		{secretdir.DatabaseURL, "nats-url-syncer", "nats-url-gateway", secretdir.NATSAccounts},
		{secretdir.PostgresPassword, secretdir.NATSPasswords},
	} {
		for _, name := range gone {
			if err := os.Remove(filepath.Join(o.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		files, now := create(t, o)
		for _, f := range files {
			wasGone := slices.Contains(gone, filepath.Base(f.Path))
			if (f.State == secretdir.Made) != wasGone || f.Note != "" {
				t.Errorf("%s is %s, note %q", f.Path, f.State, f.Note)
			}
		}
		if diff := cmp.Diff(first, now); diff != "" {
			t.Errorf("without %v other secrets were made", gone)
		}
	}
}

func TestAddressesHoldWhateverAPasswordHolds(t *testing.T) {
	t.Parallel()
	const password = `p@ss/w:rd%41?#"\ü `
	o := options(t.TempDir())
	o.PostgresHost, o.NATSHosts = "db.example.com:6432", []string{"n1", "n2:4333", "[::1]"}
	write(t, o.Dir, secretdir.PostgresPassword, password+"x\n")
	_, contents := create(t, o)
	address, err := url.Parse(strings.TrimSpace(contents[secretdir.DatabaseURL]))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := address.User.Password()
	if got != password+"x" || address.Host != "db.example.com:6432" || address.Query().Get("sslmode") != "verify-full" {
		t.Errorf("the database's address leads to %s with password %q", address.Host, got)
	}
	var hosts []string
	for one := range strings.SplitSeq(strings.TrimSpace(contents["nats-url-syncer"]), ",") {
		parsed, err := url.Parse(one)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, parsed.User.Username()+"@"+parsed.Host)
	}
	if diff := cmp.Diff([]string{"syncer@n1:4222", "syncer@n2:4333", "syncer@[::1]:4222"}, hosts); diff != "" {
		t.Error(diff)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatDoesNotFitIsSaidAndLeft(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	create(t, o)
	write(t, o.Dir, secretdir.PostgresPassword, "another\n")
	write(t, o.Dir, "nats-url-syncer", "nats://syncer:another@nats:4222\n")
	if err := os.Remove(filepath.Join(o.Dir, secretdir.NATSIssuer)); err != nil {
		t.Fatal(err)
	}
	files, _ := create(t, o)
	for _, name := range []string{secretdir.DatabaseURL, "nats-url-syncer", secretdir.NATSPasswords} {
		if was, note := state(files, name); was != secretdir.Kept || note == "" || strings.Contains(note, "another") {
			t.Errorf("%s is %s, note %q", name, was, note)
		}
	}
	write(t, o.Dir, secretdir.AdminToken, "\n")
	if _, err := secretdir.Make(o); err == nil {
		t.Error("an empty token passed")
	}
}

// TestServerTakesTheAccounts has a real server include the files, and logs in as the services do.
func TestServerTakesTheAccounts(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	_, contents := create(t, o)
	write(t, o.Dir, secretdir.NATSAccounts, "# of an older version\n")
	if files, _ := create(t, o); len(files) == 0 {
		t.Fatal("no files")
	} else if was, _ := state(files, secretdir.NATSAccounts); was != secretdir.Renewed {
		t.Errorf("accounts of an older version are %s", was)
	}
	write(t, o.Dir, "nats.conf", `
		listen: "127.0.0.1:-1"
		jetstream { store_dir: `+quoted(t, t.TempDir())+` }
		include ./`+secretdir.NATSAccounts+"\n")
	conf, err := server.ProcessConfigFile(filepath.Join(o.Dir, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	conf.NoSigs, conf.NoLog = true, true
	s, err := server.NewServer(conf)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not start")
	}
	for _, user := range []string{natsconf.UserAdmin, natsconf.UserGateway, natsconf.UserSyncer, natsconf.UserNotifier} {
		address := strings.Replace(strings.TrimSpace(contents["nats-url-"+user]), "nats:4222", s.Addr().String(), 1)
		nc, err := nats.Connect(address)
		if err != nil {
			t.Errorf("%s: %v", user, err)
			continue
		}
		nc.Close()
	}
	if _, err := nats.Connect("nats://gateway:wrong@" + s.Addr().String()); err == nil {
		t.Error("a wrong password was let in")
	}
}

// TestClusterTakesTheRoutes uses the configuration of a cluster as its comments say.
func TestClusterTakesTheRoutes(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	if _, contents := create(t, o); contents[secretdir.NATSRoutes] != "" {
		t.Error("one server has routes")
	}
	o = options(t.TempDir())
	o.NATSHosts = []string{"nats-1", "nats-2:4223", "10.0.0.3"}
	_, contents := create(t, o)
	raw, err := os.ReadFile("../../ops/nats/cluster/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for old, replacement := range map[string]string{
		"# include ./nats-routes.conf": "include ./nats-routes.conf", "include ../accounts.conf": "include ./nats-accounts.conf", "$SERVER_NAME": "nats-1",
	} {
		if !strings.Contains(text, old) {
			t.Errorf("the configuration has no %q any more", old)
		}
		text = strings.Replace(text, old, replacement, 1)
	}
	write(t, o.Dir, "nats.conf", text)
	opts, err := server.ProcessConfigFile(filepath.Join(o.Dir, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, route := range opts.Routes {
		hosts = append(hosts, route.Host)
		if password, _ := route.User.Password(); password == "" || password != opts.Cluster.Password || route.User.Username() != opts.Cluster.Username {
			t.Errorf("it logs in at %s with something else than it takes", route.Host)
		}
	}
	if want := []string{"nats-1:6222", "nats-2:6222", "10.0.0.3:6222"}; !slices.Equal(hosts, want) {
		t.Errorf("the routes are %v", hosts)
	}
	files, again := create(t, o)
	if what, _ := state(files, secretdir.NATSRoutes); what != secretdir.Kept || again[secretdir.NATSRoutes] != contents[secretdir.NATSRoutes] {
		t.Errorf("the second call has %s the routes", what)
	}
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestModesAndOwners(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.Mode, o.Owner, o.NATSOwner = 0o640, os.Getuid(), os.Getuid()
	if os.Getuid() == 0 {
		o.NATSOwner = 65532
	}
	create(t, o)
	for name, want := range map[string]struct {
		mode fs.FileMode
		uid  int
	}{
		secretdir.Keyset: {0o600, o.Owner}, secretdir.AdminToken: {0o640, o.Owner}, secretdir.NATSPasswords: {0o640, o.NATSOwner},
	} {
		info, err := os.Stat(filepath.Join(o.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if uid := int(info.Sys().(*syscall.Stat_t).Uid); info.Mode().Perm() != want.mode || uid != want.uid {
			t.Errorf("%s has mode %o and belongs to %d", name, info.Mode().Perm(), uid)
		}
	}
	if os.Getuid() != 0 {
		o.Owner = 65532
		if _, err := secretdir.Make(o); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("giving away without the right to: %v", err)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*secretdir.Options){
		"others may write":  func(o *secretdir.Options) { o.Mode = 0o622 },
		"owner cannot read": func(o *secretdir.Options) { o.Mode = 0o040 },
		"no host":           func(o *secretdir.Options) { o.PostgresHost = "" },
		"a URL":             func(o *secretdir.Options) { o.NATSHosts = []string{"nats://n:4222"} },
		"no NATS":           func(o *secretdir.Options) { o.NATSHosts = nil },
	} {
		o := options(t.TempDir())
		spoil(&o)
		if files, err := secretdir.Make(o); err == nil || len(files) > 0 {
			t.Errorf("%s: made %d files, %v", name, len(files), err)
		}
	}
}
