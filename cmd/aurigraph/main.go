// SPDX-License-Identifier: Apache-2.0

// Command aurigraph is the node, the command line, the bench and the offline verifier of an Aurigraph network.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "github.com/aurigraph/aurigraph/internal/footprint/early" // what cannot wait for main
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	code := run(ctx, os.Args[0], os.Args[1:], os.Stdout, os.Stderr)
	os.Exit(code)
}
