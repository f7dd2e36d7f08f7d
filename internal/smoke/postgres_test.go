package smoke

import (
	"context"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/bebitcoiner/ashbridge/internal/compose"
	"github.com/bebitcoiner/ashbridge/internal/local"
)

const postgresPort = "5432"

func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func (m *machine) postgresProgram(name string) string {
	m.t.Helper()
	found, err := local.FindPostgres("")
	if err != nil {
		m.t.Fatal(err)
	}
	return filepath.Join(found.BinDir, name)
}

// postgres makes the data as the image's entrypoint does, from the same variables, and is the server's command.
func (m *machine) postgres(ctx context.Context, b *box) *exec.Cmd {
	m.t.Helper()
	environ := compose.Environment(b.service)
	data := b.text(environ["PGDATA"])
	password := filepath.Join(b.root, "password")
	raw, err := os.ReadFile(b.text(environ["POSTGRES_PASSWORD_FILE"]))
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(password, raw, 0o600); err != nil {
		m.t.Fatal(err)
	}
	account := m.postgresAccount(b.root, filepath.Dir(data), password)
	run := func(program string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, m.postgresProgram(program), args...)
		cmd.Dir, cmd.SysProcAttr = b.root, &syscall.SysProcAttr{Credential: account}
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PGPASSWORD=" + strings.TrimSpace(string(raw))}
		return cmd
	}
	args := append([]string{"--pgdata=" + data, "--username=" + environ["POSTGRES_USER"], "--pwfile=" + password, "--no-sync"},
		strings.Fields(environ["POSTGRES_INITDB_ARGS"])...)
	if out, err := run("initdb", args...).CombinedOutput(); err != nil {
		m.t.Fatalf("making the database: %v\n%s", err, out)
	}
	single := run("postgres", "--single", "-D", data, "postgres")
	single.Stdin = strings.NewReader("CREATE DATABASE " + environ["POSTGRES_DB"] + "\n")
	if out, err := single.CombinedOutput(); err != nil {
		m.t.Fatalf("making the database: %v\n%s", err, out)
	}
	server := run("postgres", append(b.texts(b.service.Command[1:]), "-D", data, "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-p", port(b.at(b.name, postgresPort)))...)
	return server
}

// postgresAccount is who runs Postgres, and owns these paths: nil for this user, the user postgres where this is root.
func (m *machine) postgresAccount(paths ...string) *syscall.Credential {
	m.t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		m.t.Fatalf("Postgres does not run as root: %v", err)
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		m.t.Fatalf("the user postgres has the ids %s and %s", found.Uid, found.Gid)
	}
	for _, path := range paths {
		if err := os.Chown(path, int(uid), int(gid)); err != nil {
			m.t.Fatal(err)
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
