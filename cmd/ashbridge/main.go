// Command ashbridge connects employers' Ashby accounts to job boards. Each subcommand has a file of its own.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker.
var version = "dev"

// endWithin is the longest that any command goes on after SIGTERM or Ctrl-C. Everything in it ends sooner by itself, also
// while Postgres and NATS hang; supervisors that kill after ten seconds must never have to.
const endWithin = 9800 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		<-time.After(endWithin)
		fmt.Fprintln(os.Stderr, "ashbridge: it did not stop by itself in", endWithin)
		os.Exit(exitFailed)
	})
	code := execute(ctx, newRoot(os.Stdout, os.Stderr))
	stop()
	os.Exit(code)
}
