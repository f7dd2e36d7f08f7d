package local

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// fakePrograms puts programs into a folder that tell a version.
func fakePrograms(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + " (Debian " + version + "-0+deb12u1)'\n"
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindTakesTheRightProgramsFirst(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	onPath := fakePrograms(t, filepath.Join(root, "path"), "16.1")
	nine := fakePrograms(t, filepath.Join(root, "pg", "9", "bin"), "9.6.24")
	fakePrograms(t, filepath.Join(root, "pg", "15", "bin"), "15.18")
	eighteen := fakePrograms(t, filepath.Join(root, "pg", "18", "bin"), "18beta1")
	links := filepath.Join(root, "links")
	if err := errors.Join(os.Mkdir(links, 0o755), os.Symlink(filepath.Join(eighteen, "initdb"), filepath.Join(links, "initdb"))); err != nil {
		t.Fatal(err)
	}
	clientOnly := filepath.Join(root, "client")
	if err := errors.Join(os.Mkdir(clientOnly, 0o755), os.WriteFile(filepath.Join(clientOnly, "initdb"), nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	packages := []string{filepath.Join(root, "pg", "*", "bin")}
	tests := []struct {
		name   string
		search search
		want   Installation
	}{
		{"a named folder before all", search{named: eighteen, path: []string{onPath}, globs: packages}, Installation{eighteen, 18}},
		{"the PATH before packages", search{path: []string{"relative", clientOnly, onPath}, globs: packages}, Installation{onPath, 16}},
		{"links lead to the real folder", search{path: []string{links}}, Installation{eighteen, 18}},
		{"the newest package", search{globs: packages}, Installation{eighteen, 18}},
		{"too old ones are passed over", search{path: []string{nine, onPath}}, Installation{onPath, 16}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all, err := tt.search.all()
			if err != nil {
				t.Fatal(err)
			}
			if all[0] != tt.want {
				t.Errorf("found %+v, want %+v", all[0], tt.want)
			}
		})
	}
}

func TestFindSaysWhatToDo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	nine := fakePrograms(t, filepath.Join(root, "9"), "9.6.24")
	empty := t.TempDir()
	for name, tt := range map[string]struct {
		search search
		words  []string
	}{
		"nothing there":         {search{path: []string{empty}}, []string{"ASHBRIDGE_DATABASE_URL"}},
		"only an old one":       {search{path: []string{nine}}, []string{"only 9 in " + nine, "ASHBRIDGE_DATABASE_URL"}},
		"a named empty folder":  {search{named: empty}, []string{empty, "PG_BIN"}},
		"a named folder is old": {search{named: nine}, []string{"PostgreSQL 9", "PG_BIN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.search.all()
			if !errors.Is(err, ErrNoPostgres) {
				t.Errorf("error %v, want ErrNoPostgres", err)
			}
			mustContain(t, err, tt.words...)
		})
	}
}

func TestFindPostgresFindsTheInstalledOne(t *testing.T) {
	t.Parallel()
	found, err := FindPostgres("")
	if err != nil {
		t.Fatal(err)
	}
	if found.Major < minMajor || !filepath.IsAbs(found.BinDir) {
		t.Errorf("found %+v", found)
	}
}

func TestChoosesTheProgramsThatFitTheData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "pg"), 0o700),
		os.WriteFile(filepath.Join(dir, "pg", "PG_VERSION"), []byte("16\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	c := cluster{dir: dir}
	exists, err := c.choose([]Installation{{"/18", 18}, {"/16", 16}, {"/15", 15}})
	if err != nil || !exists || c.programs.Major != 16 {
		t.Errorf("chose %+v, %t, %v; want 16", c.programs, exists, err)
	}
}

func TestAdviceNamesTheLineForTheSystem(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, goos, release string
		root                bool
		want                string
	}{
		{"Debian", "linux", "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", false, "`sudo apt-get install -y postgresql`"},
		{"Debian as root", "linux", "ID=debian\n", true, "`apt-get install -y postgresql`"},
		{"Mint", "linux", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", false, "`sudo apt-get install -y postgresql`"},
		{"Rocky", "linux", "ID_LIKE=\"rhel centos fedora\"\nID=\"rocky\"\n", false, "`sudo dnf install -y postgresql-server`"},
		{"Alpine", "linux", "ID=alpine\n", true, "`apk add postgresql`"},
		{"Arch", "linux", "ID=arch\n", false, "`sudo pacman -S --noconfirm postgresql`"},
		{"openSUSE", "linux", "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", false, "`sudo zypper install -y postgresql-server`"},
		{"macOS", "darwin", "", false, "`brew install postgresql@17`"},
		{"unknown", "linux", "ID=plan9\n", false, "PG_BIN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mustContain(t, errors.New(adviceFor(tt.goos, tt.release, tt.root)), tt.want, "ASHBRIDGE_DATABASE_URL")
		})
	}
}
