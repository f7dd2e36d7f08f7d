package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// minMajor is the oldest PostgreSQL that is used.
const minMajor = 15

// ErrNoPostgres says that no PostgreSQL programs of at least version 15 were found; the message has the line that
// installs them here.
var ErrNoPostgres = errors.New("no PostgreSQL 15 or newer found")

// Installation is a folder with PostgreSQL's programs.
type Installation struct {
	BinDir string
	Major  int
}

// program is the path of one of the installation's programs.
func (i Installation) program(name string) string { return filepath.Join(i.BinDir, name) }

// FindPostgres finds the programs of a PostgreSQL server. A folder that is named, by binDir or else by the variable
// PG_BIN, must have them; otherwise they are looked for on the PATH, then where the packages of Linux distributions,
// Homebrew and Postgres.app put them, the newest version first.
func FindPostgres(binDir string) (Installation, error) {
	all, err := systemSearch(binDir).all()
	if err != nil {
		return Installation{}, err
	}
	return all[0], nil
}

// search is where to look.
type search struct {
	named string   // a folder to use and no other
	path  []string // folders of the PATH, in order
	globs []string // patterns of folders, in order
}

// systemSearch is where to look on this machine.
func systemSearch(binDir string) search {
	if binDir == "" {
		binDir = os.Getenv("PG_BIN")
	}
	return search{
		named: binDir,
		path:  filepath.SplitList(os.Getenv("PATH")),
		globs: []string{
			"/usr/lib/postgresql/*/bin",     // Debian, Ubuntu
			"/usr/pgsql-*/bin",              // PostgreSQL's own packages for Red Hat
			"/usr/lib/postgresql[0-9]*/bin", // openSUSE
			"/usr/libexec/postgresql*",      // Alpine
			"/opt/homebrew/opt/postgresql@*/bin",
			"/usr/local/opt/postgresql@*/bin",
			"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin",
		},
	}
}

// all are the installations found, best first; at least one when there is no error.
func (s search) all() ([]Installation, error) {
	if s.named != "" {
		found, err := inspect(s.named)
		if err == nil && found.Major < minMajor {
			err = fmt.Errorf("it is PostgreSQL %d", found.Major)
		}
		if err != nil {
			return nil, fmt.Errorf("%w in %s (%w): name a folder with the programs initdb and postgres in PG_BIN, "+
				"or unset it", ErrNoPostgres, s.named, err)
		}
		return []Installation{found}, nil
	}
	var good, old []Installation
	for _, place := range s.places() {
		var here []Installation
		for _, dir := range place {
			found, err := inspect(dir)
			switch {
			case err != nil || slices.Contains(good, found):
			case found.Major < minMajor:
				old = append(old, found)
			default:
				here = append(here, found)
			}
		}
		slices.SortStableFunc(here, func(a, b Installation) int { return b.Major - a.Major })
		good = append(good, here...)
	}
	if len(good) > 0 {
		return good, nil
	}
	if len(old) > 0 {
		return nil, fmt.Errorf("%w, only %d in %s: take a newer one from https://www.postgresql.org/download/ and name the "+
			"folder of its programs in PG_BIN, or set ASHBRIDGE_DATABASE_URL to a server you have", ErrNoPostgres, old[0].Major,
			old[0].BinDir)
	}
	return nil, fmt.Errorf("%w: %s", ErrNoPostgres, installAdvice())
}

// places are the folders to inspect, in order of preference; within one place the newest version is preferred.
func (s search) places() [][]string {
	var places [][]string
	for _, dir := range s.path {
		if filepath.IsAbs(dir) {
			places = append(places, []string{dir})
		}
	}
	for _, pattern := range s.globs {
		// The patterns are our own and well formed.
		dirs, _ := filepath.Glob(pattern)
		places = append(places, dirs)
	}
	return places
}

var number = regexp.MustCompile(`[0-9]+`)

// inspect looks for the programs in a folder. Links are followed, since a folder of links may lack programs that the
// real one has, and initdb looks for postgres beside itself.
func inspect(dir string) (Installation, error) {
	initdb, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb"))
	if err != nil {
		return Installation{}, err
	}
	server, err := exec.LookPath(filepath.Join(filepath.Dir(initdb), "postgres"))
	if err != nil {
		return Installation{}, err
	}
	version, err := exec.Command(server, "--version").Output() //nolint:noctx // it prints a line and ends
	if err != nil {
		return Installation{}, fmt.Errorf("asking %s for its version: %w", server, err)
	}
	// As in "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
	_, after, _ := strings.Cut(string(version), "(PostgreSQL)")
	major, err := strconv.Atoi(number.FindString(after))
	if err != nil {
		return Installation{}, fmt.Errorf("%s tells no version", server)
	}
	return Installation{BinDir: filepath.Dir(server), Major: major}, nil
}

// installAdvice says how to install PostgreSQL on this machine, or what to do instead.
func installAdvice() string {
	release, _ := os.ReadFile("/etc/os-release")
	return adviceFor(runtime.GOOS, string(release), os.Geteuid() == 0)
}

// adviceFor is installAdvice for a system and the content of its os-release.
func adviceFor(goos, release string, root bool) string {
	instead := "or set ASHBRIDGE_DATABASE_URL to a server you have"
	line := installLine(goos, release)
	if line == "" {
		return "install PostgreSQL from your system's packages and name the folder of its programs in PG_BIN, " + instead
	}
	if !root && !strings.HasPrefix(line, "brew") {
		line = "sudo " + line
	}
	return "run `" + line + "`, " + instead
}

// installLine is the command that installs PostgreSQL, without sudo; empty where none is known.
func installLine(goos, release string) string {
	if goos == "darwin" {
		return "brew install postgresql@17"
	}
	lines := map[string]string{
		"debian": "apt-get install -y postgresql", "ubuntu": "apt-get install -y postgresql",
		"fedora": "dnf install -y postgresql-server", "rhel": "dnf install -y postgresql-server",
		"centos": "dnf install -y postgresql-server", "amzn": "dnf install -y postgresql17-server",
		"alpine": "apk add postgresql",
		"arch":   "pacman -S --noconfirm postgresql",
		"suse":   "zypper install -y postgresql-server", "opensuse": "zypper install -y postgresql-server",
	}
	var ids []string
	for row := range strings.Lines(release) {
		name, value, _ := strings.Cut(strings.TrimSpace(row), "=")
		words := strings.Fields(strings.Trim(value, `"'`))
		switch name {
		case "ID": // what the system is comes before what it is like
			ids = append(words, ids...)
		case "ID_LIKE":
			ids = append(ids, words...)
		}
	}
	for _, id := range ids {
		if line := lines[id]; line != "" {
			return line
		}
	}
	return ""
}
