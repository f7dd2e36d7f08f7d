package local

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLockDirLetsOneIn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	first, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("second lock = %v, want ErrInUse", err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := LockDir(dir)
	if err != nil {
		t.Fatalf("after Unlock: %v", err)
	}
	_ = again.Unlock()
	if _, err := LockDir(filepath.Join(dir, "lock")); err == nil {
		t.Error("locked a file")
	}
}

func TestSocketFolderHasAShortPath(t *testing.T) {
	t.Parallel()
	us := account{uid: os.Geteuid(), gid: os.Getegid()}
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := makeSocketDir(us, long)
	if !errors.Is(err, errPathTooLong) {
		t.Errorf("error %v, want errPathTooLong", err)
	}
	mustContain(t, err, long, "TMPDIR")
	short, err := os.MkdirTemp("/tmp", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(short) }()
	dir, err := makeSocketDir(us, long, filepath.Join(short, "absent"), short)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(dir) != short || len(filepath.Join(dir, socketName)) > maxSocketPath {
		t.Errorf("made %s", dir)
	}
}

func TestForgottenSocketFolderIsOnlyOurOwn(t *testing.T) {
	t.Parallel()
	us := account{uid: os.Geteuid(), gid: os.Getegid()}
	root := t.TempDir()
	note := filepath.Join(root, "note")
	ours, other, link := filepath.Join(root, socketPrefix+"1"), filepath.Join(root, "precious"), filepath.Join(root, socketPrefix+"2")
	if err := errors.Join(os.Mkdir(ours, 0o700), os.Mkdir(other, 0o700), os.Symlink(other, link)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{ours, other, link, filepath.Join(root, socketPrefix+"absent")} {
		if err := rememberSocketDir(note, dir); err != nil {
			t.Fatal(err)
		}
		if err := forgetSocketDir(note, us); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		if _, err := os.Stat(note); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the note is left: %v", dir, err)
		}
	}
	if _, err := os.Stat(ours); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("our folder is left: %v", err)
	}
	for _, kept := range []string{other, link} {
		if _, err := os.Stat(kept); err != nil {
			t.Errorf("something else was removed: %v", err)
		}
	}
	if err := forgetSocketDir(note, us); err != nil {
		t.Errorf("without a note: %v", err)
	}
}

func TestStopEscalatesAndStaysUnderFiveSeconds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		forced       bool
		within       time.Duration
	}{
		{"polite", `trap 'exit 0' INT; echo ready; while :; do sleep 0.01; done`, false, fastStop},
		{"deaf to the fast stop", `trap '' INT; trap 'exit 2' QUIT; echo ready; while :; do sleep 0.01; done`, true, fastStop + immediateStop},
		{"deaf to everything", `trap '' INT QUIT; echo ready; while :; do sleep 0.01; done`, true, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("sh", "-c", tt.script)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			c, err := spawn(cmd, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the program listens to signals", func() bool { return c.log.lastLines() == "ready" })
			start := time.Now()
			if err := c.stop(); errors.Is(err, ErrForced) != tt.forced {
				t.Errorf("stop = %v, forced wanted: %t", err, tt.forced)
			}
			if took := time.Since(start); took > tt.within+500*time.Millisecond {
				t.Errorf("took %s, want at most %s", took, tt.within)
			}
		})
	}
}

func TestSpawnReportsAProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := spawn(exec.Command("/absent/postgres"), slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("spawn = %v", err)
	}
}

func TestPidFileIsReadWhateverIsInIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for content, want := range map[string]pidFile{
		"":      {},
		"what":  {},
		"-7\n":  {},
		"12\n/": {pid: 12},
		"12\n/d\n1\n5432\n/s\n\n 1 1\nstarting\n": {pid: 12},
		"12\n/d\n1\n5432\n/s\n\n 1 1\nready   \n": {pid: 12, ready: true},
	} {
		if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPidFile(dir); err != nil || got != want {
			t.Errorf("%q reads as %+v %v, want %+v", content, got, err, want)
		}
	}
	if got, err := readPidFile(t.TempDir()); err != nil || got != (pidFile{}) {
		t.Errorf("no file reads as %+v %v", got, err)
	}
}

func TestModesTellWhoMayEnter(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	deep := filepath.Join(root, "closed", "open")
	if err := errors.Join(os.MkdirAll(deep, 0o755), os.Chmod(filepath.Join(root, "closed"), 0o700)); err != nil {
		t.Fatal(err)
	}
	// The folders are ours; somebody else is neither of our user nor of our group.
	us := account{uid: os.Geteuid(), gid: os.Getegid()}
	other := account{uid: us.uid + 12345, gid: us.gid + 12345}
	if closed := us.closedAbove(deep); closed != "" {
		t.Errorf("the owner may not enter %s", closed)
	}
	if closed := other.closedAbove(deep); !strings.HasPrefix(deep, closed+"/") || closed == "" {
		t.Errorf("somebody else is stopped at %q, want a folder above %s", closed, deep)
	}
}

func TestRootIsToldWhichFolderIsClosed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as another user; as anyone else there is nothing to test")
	}
	closed := filepath.Join(dataFolder(t), "closed")
	if err := os.MkdirAll(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(filepath.Dir(closed), 0o755), os.Chmod(closed, 0o700)); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresOptions{Dir: filepath.Join(closed, "postgres")})
	mustContain(t, err, "user postgres", closed+":", "ASHBRIDGE_DATA_DIR", "/var/lib/ashbridge")
}

func TestRootTakesOverDataOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user; as anyone else there is nothing to test")
	}
	dir := dataFolder(t)
	copyTemplate(t, dir)
	if out, err := exec.Command("chown", "-R", "root:root", filepath.Join(dir, "pg")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := openDB(t, startPostgres(t, dir).URL()).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	nobody := account{uid: 65534, gid: 65534}
	mustContain(t, nobody.ownTree(filepath.Join(dir, "pg")), "belongs to user", "ASHBRIDGE_DATA_DIR")
}

func TestDiskRoom(t *testing.T) {
	t.Parallel()
	free, size, err := DiskRoom(t.TempDir())
	if err != nil || free == 0 || size < free {
		t.Errorf("%d of %d bytes are free, %v", free, size, err)
	}
	if _, _, err := DiskRoom(filepath.Join(t.TempDir(), "gone")); err == nil {
		t.Error("a folder that is not there has a disk")
	}
}
