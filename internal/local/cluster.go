package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// superuser is the role that initdb makes; database is the one that it makes for everybody.
const (
	superuser = "ashbridge"
	database  = "postgres"
)

// cluster is PostgreSQL's data on disk, in a folder that this process has locked:
//
//	pg           the data, renamed from pg.init once initdb has finished
//	pg.password  the superuser's password
//	pg.socket    where the socket of the running server is
type cluster struct {
	dir      string
	account  account
	programs Installation
	password string
	// volatile makes it forget everything at a power cut, for tests.
	volatile bool
}

func (c *cluster) data() string         { return filepath.Join(c.dir, "pg") }
func (c *cluster) passwordFile() string { return filepath.Join(c.dir, "pg.password") }
func (c *cluster) socketNote() string   { return filepath.Join(c.dir, "pg.socket") }

// prepare makes the data if there is none, and checks that what there is can be used.
func (c *cluster) prepare(ctx context.Context, where search) error {
	installations, err := where.all()
	if err != nil {
		return err
	}
	exists, err := c.choose(installations)
	if err != nil {
		return err
	}
	if err := c.account.canReach(ctx, c.dir, c.programs); err != nil {
		return err
	}
	if !exists {
		return c.create(ctx)
	}
	raw, err := os.ReadFile(c.passwordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the password of the data in %s is missing: put %s back, or set a password of your own in it and "+
			"in the server", c.data(), c.passwordFile())
	}
	if err != nil {
		return fmt.Errorf("reading the password of PostgreSQL: %w", err)
	}
	c.password = strings.TrimSpace(string(raw))
	if err := c.account.ownTree(c.data()); err != nil {
		return fmt.Errorf("taking over the data of PostgreSQL: %w", err)
	}
	return nil
}

// choose takes the installation that fits the data, or the first where there is no data yet.
func (c *cluster) choose(installations []Installation) (exists bool, err error) {
	c.programs = installations[0]
	if _, err := os.Stat(c.data()); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("looking for the data of PostgreSQL: %w", err)
	}
	raw, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if err != nil {
		return true, fmt.Errorf("reading which PostgreSQL made %s: %w; if it is not PostgreSQL's data, move it away", c.data(), err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return true, fmt.Errorf("reading which PostgreSQL made %s: %w", c.data(), err)
	}
	for _, one := range installations {
		if one.Major == major {
			c.programs = one
			return true, nil
		}
	}
	return true, fmt.Errorf("the data in %s was made by PostgreSQL %d and only %d is installed (%s): install PostgreSQL %d "+
		"beside it, or bring the data over with pg_upgrade, or move the folder away to begin anew; nothing was changed",
		c.data(), major, c.programs.Major, c.programs.BinDir, major)
}

// create makes the data in a folder of its own and renames it when it is whole and durable, so that a crash in the
// middle leaves nothing that a later start would take for data.
func (c *cluster) create(ctx context.Context) error {
	if err := c.writePassword(); err != nil {
		return fmt.Errorf("making a password for PostgreSQL: %w", err)
	}
	half := filepath.Join(c.dir, "pg.init")
	if err := os.RemoveAll(half); err != nil {
		return fmt.Errorf("removing a half-made database: %w", err)
	}
	if err := os.Mkdir(half, 0o700); err != nil {
		return fmt.Errorf("making a database: %w", err)
	}
	if err := c.account.own(half); err != nil {
		return fmt.Errorf("making a database: %w", err)
	}
	if err := c.initdb(ctx, half); err != nil {
		return err
	}
	if err := os.Rename(half, c.data()); err != nil {
		return fmt.Errorf("making a database: %w", err)
	}
	if err := syncDir(c.dir); err != nil {
		return fmt.Errorf("making a database: %w", err)
	}
	return nil
}

// writePassword makes a password and keeps it where only the server's user and root can read it; initdb reads it there.
func (c *cluster) writePassword() error {
	c.password = rand.Text()
	if err := os.Remove(c.passwordFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(c.passwordFile(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(c.password + "\n")
	return errors.Join(err, f.Sync(), f.Close(), c.account.own(c.passwordFile()))
}

// initdb makes a database cluster with checksums, in which every role needs its password.
func (c *cluster) initdb(ctx context.Context, dir string) error {
	args := []string{
		"-D", dir, "-U", superuser, "--pwfile=" + c.passwordFile(), "--auth=scram-sha-256",
		"--data-checksums", "--no-locale", "-E", "UTF8", "--no-instructions",
	}
	if c.volatile {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, c.programs.program("initdb"), args...)
	c.account.run(cmd, syscall.SIGTERM)
	cmd.Dir = c.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	// The thread stays as long as the child: see endWithParent.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("making a database: %w", ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("making a database with %s: %w: %s", cmd.Path, err, lastLines(out))
	}
	return nil
}

// lastLines are the last lines of a program's output, on one line, for an error.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) > 5 {
		lines = lines[len(lines)-5:]
	}
	return strings.Join(lines, " | ")
}

// arguments are those of the server. What its promises rest on is said here and wins over the file in the data folder.
func (c *cluster) arguments(socketDir string, maxConns int) []string {
	durable := "on"
	if c.volatile {
		durable = "off"
	}
	args := []string{"-D", c.data()}
	for _, setting := range []string{
		"listen_addresses=",
		`unix_socket_directories="` + socketDir + `"`,
		"unix_socket_permissions=0700",
		"port=5432",
		"max_connections=" + strconv.Itoa(maxConns),
		"fsync=" + durable,
		"full_page_writes=" + durable,
		"synchronous_commit=" + durable,
		// Neither statements nor values of rows may reach the log: they could hold an employer's data.
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
		"logging_collector=off",
		"log_destination=stderr",
		"log_line_prefix=",
	} {
		args = append(args, "-c", setting)
	}
	return args
}
