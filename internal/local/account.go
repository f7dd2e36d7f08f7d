package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// serverUser is the user that PostgreSQL's packages make for the server, which refuses to run as root.
const serverUser = "postgres"

// account is whom the server runs as.
type account struct {
	uid, gid int
	// credential changes to that user; nil when it is our own.
	credential *syscall.Credential
}

// serverAccount is our own user, or serverUser when we are root.
func serverAccount() (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{uid: uid, gid: os.Getegid()}, nil
	}
	found, err := user.Lookup(serverUser)
	if err != nil {
		return account{}, fmt.Errorf("finding the user to run PostgreSQL as, since it does not run as root: %w; "+
			"make it with `useradd --system %s`, or start as an ordinary user", err, serverUser)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("reading the user id of %s: %w", serverUser, err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("reading the group id of %s: %w", serverUser, err)
	}
	return account{
		uid: int(uid), gid: int(gid),
		credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}, nil
}

// own gives one file or folder to the account.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// ownTree gives a folder with everything in it to the account, as after a restored backup or a first start by another
// user. It does nothing when the folder is the account's already.
func (a account) ownTree(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == a.uid {
		return nil
	}
	if a.credential == nil {
		return fmt.Errorf("folder %s belongs to user %d and this is user %d: start as that user, start as root, or choose "+
			"another folder with ASHBRIDGE_DATA_DIR", dir, stat.Uid, a.uid)
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, a.own(path))
	})
}

// run prepares a command to run as the account, apart from our terminal's signals, and to get signal end when we die.
func (a account) run(cmd *exec.Cmd, end syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential}
	endWithParent(cmd.SysProcAttr, end)
	// Settings of the caller's environment such as PGPORT or a locale are not meant for this server.
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	if path := os.Getenv("LD_LIBRARY_PATH"); path != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+path)
	}
}

// canReach checks that the account may enter dir and run the programs, by doing it.
func (a account) canReach(ctx context.Context, dir string, programs Installation) error {
	if a.credential == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, programs.program("postgres"), "--version")
	a.run(cmd, syscall.SIGKILL)
	cmd.Dir = dir
	err := cmd.Run()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	for _, path := range []string{dir, programs.BinDir} {
		if closed := a.closedAbove(path); closed != "" {
			return fmt.Errorf("user %s, as whom PostgreSQL runs when started by root, may not enter %s: choose another data "+
				"folder with ASHBRIDGE_DATA_DIR, such as /var/lib/ashbridge, or start as an ordinary user", serverUser, closed)
		}
	}
	return fmt.Errorf("running PostgreSQL's programs as user %s in %s: %w", serverUser, dir, err)
}

// closedAbove is the uppermost folder on the way to dir that the account may not enter, as far as modes tell.
func (a account) closedAbove(dir string) string {
	closed := ""
	for path := filepath.Clean(dir); ; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil && !a.mayEnter(info) {
			closed = path
		}
		if path == filepath.Dir(path) {
			return closed
		}
	}
}

// mayEnter reads a folder's mode for the account.
func (a account) mayEnter(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	need := os.FileMode(0o001)
	switch {
	case int(stat.Uid) == a.uid:
		need = 0o100
	case int(stat.Gid) == a.gid:
		need = 0o010
	}
	return info.Mode().Perm()&need != 0
}
