// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/legacy"
)

// Names of the V10 reference ledger in a network's folder.
const (
	legacyFolder = "v10-ledger"
	legacyLog    = "v10.log"
)

// besideV10 is a V10 reference ledger beside a network, in this process.
type besideV10 struct {
	url   string
	stop  func()
	ended chan struct{} // closed when it has ended; err is set then
	err   error
}

// startV10 starts the reference ledger of a network, whose V10 accounts it funds as the network has, and waits until it serves. It
// calls died if it ends by itself.
func (a *app) startV10(ctx context.Context, n *network.Network, engine string, died func()) (*besideV10, error) {
	if n.V10 == nil {
		return nil, fault.New(fault.Invalid, "the network in %s was made without V10's accounts: name a new folder with --network", n.Dir)
	}
	dir := n.Path(legacyFolder)
	logs, err := a.legacyLogs(dir)
	if err != nil {
		return nil, err
	}
	cfg := legacy.Config{
		Dir: filepath.Join(dir, "data"), Engine: engine, Listen: "127.0.0.1:0", Version: node.Version,
		Log: obs.NewLogger(logs, slog.LevelInfo).With(obs.KeyComponent, "v10"),
	}
	for _, name := range n.V10.Accounts {
		cfg.Fund = append(cfg.Fund, legacy.Fund{Account: name, Units: network.DemoBalance()})
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &besideV10{stop: stop, ended: make(chan struct{})}
	ready := make(chan legacy.Addresses, 1)
	go func() {
		l.err = legacy.Run(running, cfg, func(at legacy.Addresses) { ready <- at })
		a.closeLog(logs)
		close(l.ended)
		died()
	}()
	select {
	case at := <-ready:
		l.url = "http://" + at.Rest
		return l, nil
	case <-l.ended:
		stop()
		return nil, l.err
	case <-ctx.Done():
		return nil, l.close()
	}
}

// legacyLogs is where the reference ledger's log goes.
func (a *app) legacyLogs(dir string) (io.Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the V10 ledger's folder")
	}
	if a.json {
		return a.err, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, legacyLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	return f, fault.Wrap(fault.Unavailable, err, "open the V10 ledger's log")
}

// close stops the ledger and returns why it ended, nil if it was told to.
func (l *besideV10) close() error {
	l.stop()
	<-l.ended
	return l.err
}
