package bustest

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Node is one server of a cluster of the configuration in ops/nats/cluster, on loopback addresses.
type Node struct {
	// Config is the path of the configuration file. Its variables come from the environment.
	Config string
	// Dir is the folder of its streams; Addr where clients connect and RouteAddr where the other servers do, as host:port.
	Dir, Addr, RouteAddr string
}

// The variables that the configuration takes and in which a Node travels to a process of its own.
const (
	nodeVariable = "BUSTEST_NODE"
	nodeRoutes   = "ROUTE_%d"
)

// Environ is what a process is given for ServeNode to run the node in it. Routes are the RouteAddr of all.
func (n Node) Environ(name, routePassword string, routes []string) []string {
	env := []string{
		nodeVariable + "=" + strings.Join([]string{n.Config, n.Dir, n.Addr, n.RouteAddr}, ","),
		"SERVER_NAME=" + name, "ROUTE_PASSWORD=" + routePassword,
	}
	for i, addr := range routes {
		route := url.URL{Scheme: "nats-route", User: url.UserPassword("route", routePassword), Host: addr}
		env = append(env, fmt.Sprintf(nodeRoutes+"=%s", i+1, route.String()))
	}
	return env
}

// IsNode says that this process was started to be a node.
func IsNode() bool { return os.Getenv(nodeVariable) != "" }

// ServeNode runs the node of the environment, writes a line to out when it takes connections, and ends with in.
func ServeNode(in io.Reader, out io.Writer) error {
	fields := strings.Split(os.Getenv(nodeVariable), ",")
	if len(fields) != 4 {
		return fmt.Errorf("%s has %d fields", nodeVariable, len(fields))
	}
	config, dir, addr, routeAddr := fields[0], fields[1], fields[2], fields[3]
	o, err := server.ProcessConfigFile(config)
	if err != nil {
		return err
	}
	// All else is as the file says. Tests have no ports and folders of their own choice, and loopback alone.
	if o.Host, o.Port, err = hostPort(addr); err != nil {
		return err
	}
	if o.Cluster.Host, o.Cluster.Port, err = hostPort(routeAddr); err != nil {
		return err
	}
	o.StoreDir, o.HTTPPort, o.NoSigs, o.NoLog = filepath.Clean(dir), 0, true, true
	srv, err := server.NewServer(o)
	if err != nil {
		return err
	}
	srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(30 * time.Second) {
		return fmt.Errorf("the node at %s did not start", addr)
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func hostPort(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}
