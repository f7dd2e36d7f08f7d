package local

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// How long each way of stopping the server may take before the next, ruder one. Together they stay under five seconds.
// Of the server's own data nothing is lost by the ruder ones; its next start takes longer.
const (
	fastStop      = 3 * time.Second
	immediateStop = 1 * time.Second
)

// ErrForced says that the server did not stop in time and was made to. Its data is safe; the next start recovers it.
var ErrForced = errors.New("the server had to be forced to stop")

// child is a running server process.
type child struct {
	cmd  *exec.Cmd
	log  *serverLog
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; valid after done
	wait sync.WaitGroup
}

// spawn starts the server. One goroutine, on a thread of its own, starts it and waits for it: the kernel stops the
// server when that thread ends.
func spawn(cmd *exec.Cmd, logger *slog.Logger) (*child, error) {
	c := &child{cmd: cmd, log: &serverLog{logger: logger}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = c.log, c.log
	// Backends that outlive a killed server keep its output open for a moment.
	cmd.WaitDelay = 2 * time.Second
	started := make(chan error, 1)
	c.wait.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		if c.err = cmd.Start(); c.err != nil {
			started <- c.err
			return
		}
		started <- nil
		c.err = cmd.Wait()
	})
	if err := <-started; err != nil {
		c.wait.Wait()
		return nil, err
	}
	return c, nil
}

// stop ends the server: fast, then at once, then by force. It returns when the process is gone.
func (c *child) stop() error {
	defer c.wait.Wait()
	c.log.stopping.Store(true)
	for _, step := range []struct {
		signal syscall.Signal
		time   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, immediateStop}} {
		c.signal(step.signal)
		if c.ended(step.time) {
			if step.signal == syscall.SIGINT {
				return nil
			}
			return fmt.Errorf("%w: it was told to quit after %s", ErrForced, fastStop)
		}
	}
	c.signal(syscall.SIGKILL)
	<-c.done
	return fmt.Errorf("%w: it was killed after %s", ErrForced, fastStop+immediateStop)
}

// signal sends a signal; a process that has ended needs none.
func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// ended waits at most d for the end of the process.
func (c *child) ended(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}

// pid is the server's process number.
func (c *child) pid() int { return c.cmd.Process.Pid }

// failure tells how the process ended, with its last words. Call it after done.
func (c *child) failure() error {
	err := c.err
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return fmt.Errorf("running %s: %w: %s", c.cmd.Path, err, c.log.lastLines())
}

// serverLog passes the server's output on, line by line, and keeps the last ones for an error.
type serverLog struct {
	logger   *slog.Logger
	stopping atomic.Bool

	mu      sync.Mutex
	partial []byte
	kept    []string
}

// keptLines is how many lines an error can show.
const keptLines = 10

// Write takes output.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.partial = rest
		l.line(string(line))
	}
}

// line handles one line. Errors of single statements are their callers' affair and reach them over the connection.
func (l *serverLog) line(line string) {
	if l.kept = append(l.kept, line); len(l.kept) > keptLines {
		l.kept = l.kept[1:]
	}
	grave := strings.HasPrefix(line, "FATAL") || strings.HasPrefix(line, "PANIC")
	if grave && !l.stopping.Load() {
		l.logger.Warn("postgres", "line", line)
		return
	}
	l.logger.Debug("postgres", "line", line)
}

// lastLines are the last lines of output, on one line.
func (l *serverLog) lastLines() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.kept, " | ")
}
