// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/guard"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// v10GuardFlags are what a guard is told.
type v10GuardFlags struct {
	cfg             guard.Config
	listen, control string
	key, trust, ca  string
	aliases         string
	v11             []string
}

func newV10Guard(a *app) *cobra.Command {
	var f v10GuardFlags
	c := &cobra.Command{
		Use:   "guard",
		Short: "Guard a V10 while accounts move to V11: the one way in to its REST",
		Long: `Serves V10's REST in front of a V10 that nobody else may reach, until SIGTERM or Ctrl-C. What debits an account goes to the
ledger that owns its slot: to V10, stamped with the guard's generation, or once to V11. A slot that is about to move is closed:
its debits wait for at most --hold and are then told 503. All else passes as it comes. The guard follows V11's certified home
table by itself; while V11 cannot be reached, the slots that V10 owns are served as before.

The control address is for the migration's controller on this machine: GET /status, GET /callers, POST /fence, GET /metrics.
Who reaches it can stop payments, so it must be a loopback address. --dir keeps what the guard has closed and must not be
lost: a guard without it keeps all of V10's slots closed until the home table moves on. One guard serves a V10; one that was
overtaken ends by itself.

Logs are JSON lines on standard error. With --json it prints one line on standard output once it serves.

Exit codes: 0 it was told to stop; 1 it could not start, or must not go on (another guard has begun, its disk failed): start it
again, see docs/runbooks/guard.md; 2 the options or the files will not do, or a guard runs in the folder.`,
		Example: `  aurigraph v10 guard --dir guard --key guard.key --v10 http://127.0.0.1:4004 --changes http://127.0.0.1:4005 \
    --v11 10.0.0.1:9001,10.0.0.2:9001 --trust genesis.json --ca ca.pem --v11-rest http://10.0.0.1:9003
  aurigraph v10 guard --listen 0.0.0.0:9003 --control 127.0.0.1:9004 --dir /srv/guard --key /srv/guard/guard.key --json \
    --v10 http://127.0.0.1:4004 --changes http://127.0.0.1:4005 --v11 v11:9001 --trust genesis.json --v11-rest https://v11`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.v10Guard(cmd.Context(), &f)
		},
	}
	f.add(c)
	return c
}

func (f *v10GuardFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.listen, "listen", "127.0.0.1:9003", "address at which clients find V10, host:port; port 0 is a free one")
	s.StringVar(&f.control, "control", "127.0.0.1:9004", "loopback address for the controller, host:port; port 0 is a free one")
	s.StringVar(&f.cfg.V10, "v10", "", "URL of V10's REST (required)")
	s.StringVar(&f.cfg.Changes, "changes", "", "URL of V10's change log (required)")
	s.StringVar(&f.cfg.Dir, "dir", "", "folder of what the guard must not forget, made if there is none (required)")
	s.StringVar(&f.key, "key", "", "file of the guard's Ed25519 key, made if there is none; V11 must know its public part (required)")
	s.StringSliceVar(&f.v11, "v11", nil, "V11's validators, by whom its home table is told, host:port,… (required)")
	s.StringVar(&f.trust, "trust", "", "V11's genesis file: what its validators tell is verified against it (required)")
	s.StringVar(&f.ca, "ca", "", "PEM file of who vouches for the validators' certificates (default: the system's authorities)")
	s.StringVar(&f.cfg.V11, "v11-rest", "", "URL of V11's REST, to which payments of its slots are sent on (required)")
	s.StringVar(&f.aliases, "alias-key", "", "file of the V11 network's alias key, which names the accounts with a slot of their own; needed where there are such")
	s.DurationVar(&f.cfg.Hold, "hold", guard.HoldDefault, "longest wait of a payment whose slot is moving, at most 30s")
}

// check looks at the options, and reads the files.
func (f *v10GuardFlags) check(cmd *cobra.Command) (err error) {
	if f.cfg.V10 == "" || f.cfg.Changes == "" || f.cfg.Dir == "" || f.key == "" || len(f.v11) == 0 || f.trust == "" || f.cfg.V11 == "" {
		return usage(cmd, "name --v10, --changes, --dir, --key, --v11, --trust and --v11-rest")
	}
	if f.cfg.Hold <= 0 || f.cfg.Hold > guard.HoldMost {
		return usage(cmd, "--hold is more than 0 and at most %s", guard.HoldMost)
	}
	host, _, err := net.SplitHostPort(f.control)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usage(cmd, "--control must be a loopback address, as 127.0.0.1:9004: who reaches it can stop payments")
	}
	genesis, err := node.ReadGenesis(f.trust)
	if err != nil {
		return usage(cmd, "%v", err)
	}
	f.cfg.Chain, f.cfg.Genesis = genesis.Chain, genesis.V10Slots
	if f.aliases != "" {
		aliases, err := keys.ReadAliasKey(f.aliases)
		if err != nil {
			return usage(cmd, "%v", err)
		}
		f.cfg.Named = aliases.Named
	}
	if err := f.cfg.Named.Fit(genesis.V10Slots); err != nil {
		return usage(cmd, "--alias-key: %v", err)
	}
	text, err := os.ReadFile(f.trust)
	if err != nil {
		return usage(cmd, "%v", err)
	}
	trust, err := client.ReadTrust(text)
	if err != nil {
		return usage(cmd, "%v", err)
	}
	if f.cfg.Key, err = readOrMakeKey(f.key); err != nil {
		return usage(cmd, "%v", err)
	}
	f.cfg.Homes = &v11Homes{cfg: client.Config{Endpoints: f.v11, CAFile: f.ca, Trust: trust, Timeout: v11HomesTimeout, RetriesMax: -1}}
	return nil
}

// readOrMakeKey reads a key file, and makes it if there is none.
func readOrMakeKey(path string) (keys.Signer, error) {
	s, err := keys.ReadFile(path, nil)
	if !fault.Is(err, fault.NotFound) {
		return s, err
	}
	if s, err = keys.Generate(keys.Ed25519, rand.Reader); err != nil {
		return nil, err
	}
	return s, keys.WriteFile(path, s, nil)
}

// v11HomesTimeout bounds a question about the home table: the guard asks again by itself.
const v11HomesTimeout = 3 * time.Second

// v11Homes asks V11 about its home table, and dials when it is asked first: a guard begins without V11 too.
type v11Homes struct {
	cfg    client.Config
	mu     sync.Mutex
	client *client.Client
}

func (h *v11Homes) dial(ctx context.Context) (*client.Client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	if h.client == nil {
		h.client, err = client.Dial(ctx, h.cfg)
	}
	return h.client, err
}

func (h *v11Homes) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client == nil {
		return nil
	}
	return h.client.Close()
}

// Move implements guard.Source.
func (h *v11Homes) Move(ctx context.Context, version uint64) (*guard.Move, error) {
	ctx, cancel := context.WithTimeout(ctx, v11HomesTimeout)
	defer cancel()
	c, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	m, err := c.HomeMove(ctx, version)
	if err != nil {
		return nil, err
	}
	return &guard.Move{Version: m.Version, Height: uint64(m.Height), Kind: moveKind(m), Slots: m.Slots}, nil
}

func moveKind(m *client.HomeMove) guard.MoveKind {
	switch {
	case m.Aborted:
		return guard.Aborted
	case m.ToV11:
		return guard.ToV11
	case m.Closed:
		return guard.Over
	}
	return guard.ToV10
}

// v10GuardReady is the line of --json once the guard serves.
type v10GuardReady struct {
	Ready   bool   `json:"ready"`
	REST    string `json:"rest"`
	Control string `json:"control"`
	Guard   string `json:"guard"` // public key, as SetMover names it
	PID     int    `json:"pid"`
}

func (a *app) v10Guard(ctx context.Context, f *v10GuardFlags) (err error) {
	homes, _ := f.cfg.Homes.(*v11Homes)
	defer func() { err = errors.Join(err, homes.close()) }()
	f.cfg.Log = obs.NewLogger(a.err, slog.LevelInfo).With(obs.KeyComponent, "guard")
	f.cfg.Metrics = obs.NewRegistry()
	debug.SetGCPercent(besideGCPercent)
	g, err := guard.New(f.cfg)
	if err != nil {
		return err
	}
	rest, err := net.Listen("tcp", f.listen)
	if err != nil {
		return errors.Join(fault.Wrap(fault.Unavailable, err, "listen on %s: does something run there already?", f.listen), g.Close())
	}
	control, err := net.Listen("tcp", f.control)
	if err != nil {
		return errors.Join(fault.Wrap(fault.Unavailable, err, "listen on %s: does something run there already?", f.control), rest.Close(), g.Close())
	}
	var printed error
	err = g.Run(ctx, rest, control, func() { printed = a.announceGuard(f, rest, control) })
	return errors.Join(err, printed)
}

func (a *app) announceGuard(f *v10GuardFlags, rest, control net.Listener) error {
	public := f.cfg.Key.Public().Bytes()
	ready := v10GuardReady{
		Ready: true, REST: "http://" + rest.Addr().String(), Control: "http://" + control.Addr().String(), Guard: hex.EncodeToString(public[1:]), PID: os.Getpid(),
	}
	if !a.json {
		_, err := fmt.Fprintf(a.out, "V10's REST on %s, for the controller %s\n", ready.REST, ready.Control)
		return err
	}
	text, err := json.Marshal(ready)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the ready line")
	}
	_, err = fmt.Fprintln(a.out, string(text))
	return err
}
