package smoke

import (
	"bytes"
	"context"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output is what processes print, line by line with their names.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// tail is the end of what was printed.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 6000
	s := o.text.String()
	return s[max(0, len(s)-most):]
}

// process is a container's process on this machine.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	logs *output
	// stopSignal and grace are the compose file's or the image's.
	stopSignal syscall.Signal
	grace      time.Duration
	done       chan struct{}
	err        error
}

// start starts it. It is stopped at the end of the test, and must then end well and in time.
func (p *process) start() {
	p.t.Helper()
	p.done = make(chan struct{})
	p.logs = &output{}
	p.cmd.Stdout, p.cmd.Stderr = p.logs, p.logs
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("starting %s: %v", p.name, err)
	}
	go func() { // ends with the process
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	p.t.Cleanup(func() {
		p.stop()
		if p.t.Failed() {
			p.t.Logf("the end of what %s printed:\n%s", p.name, p.logs.tail())
		}
	})
}

// stop does what an engine does: it asks the process to end, and kills it after the grace period.
func (p *process) stop() {
	if p.isOver() {
		if p.err != nil {
			p.t.Errorf("%s ended by itself: %v", p.name, p.err)
		}
		return
	}
	_ = p.cmd.Process.Signal(p.stopSignal)
	select {
	case <-p.done:
		if p.err != nil {
			p.t.Errorf("%s was stopped and says: %v", p.name, p.err)
		}
	case <-time.After(p.grace):
		p.t.Errorf("%s did not stop within its grace period of %v", p.name, p.grace)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// complete waits until it ended, which it has to do well.
func (p *process) complete(ctx context.Context) {
	p.t.Helper()
	select {
	case <-p.done:
		if p.err != nil {
			p.t.Fatalf("%s failed: %v", p.name, p.err)
		}
	case <-ctx.Done():
		p.t.Fatalf("%s does not end: %v", p.name, ctx.Err())
	}
}

// isOver says whether it ended.
func (p *process) isOver() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// eventually waits until check returns nil.
func eventually(ctx context.Context, t testing.TB, what string, check func(ctx context.Context) error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
