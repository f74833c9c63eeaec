// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/indexer"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/remote"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/restv10"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of the V10 dialect in a gateway.
const (
	restConnectionsMax = 16_384
	freshMax           = 3 * time.Second // that the dialect waits at its start for what validators say of the ledger
	keyFileBytesMax    = 1024
)

// rest is the V10 dialect in a gateway.
type rest struct {
	gateway  *Gateway
	listener net.Listener
	ledger   *remote.Ledger
	home     *hop.Client // V10; nil: the gateway was not told where it is
	guard    *access.Guard
	trail    *trail.Trail // nil: none is kept
}

// openRest opens the dialect's listener, and who may call, if the settings want it.
func (g *Gateway) openRest() (err error) {
	cfg := &g.cfg.Rest
	if cfg.Listen == "" {
		return nil
	}
	r := &rest{gateway: g}
	if r.listener, err = server.Listen(cfg.Listen, restConnectionsMax); err != nil {
		return err
	}
	g.onClose(func() error { return ignoreClosed(r.listener.Close()) })
	if cfg.Home != "" {
		if r.home, err = hop.New(hop.Config{URL: cfg.Home}); err != nil {
			return err
		}
		g.onClose(func() error { r.home.Close(); return nil })
	}
	key, err := readKey(g.cfg.Path(cfg.ValidatorKeyFile))
	if err != nil {
		return err
	}
	parts := remote.Parts{Validators: g.pool, Log: g.log, Metrics: g.registry}
	if g.lists.query != nil {
		parts.Lists = indexed{g.lists.query, g.lists.follower}
	}
	if r.ledger, err = remote.New(remote.Config{Key: key, Calls: cfg.Connections}, parts); err != nil {
		return err
	}
	if err := r.openAccess(); err != nil {
		return err
	}
	g.rest = r
	g.log.Info("the V10 dialect is served", obs.KeyAddress, r.listener.Addr().String())
	return nil
}

// connectionsPerValidator is how many connections to each validator are kept open: those of the passed calls, or what makes the
// dialect's number over all of them, if that is more.
func connectionsPerValidator(cfg *config.Gateway) int {
	if cfg.Rest.Listen == "" {
		return ConnectionsPerValidator
	}
	return max(ConnectionsPerValidator, (cfg.Rest.Connections+len(cfg.Validators)-1)/len(cfg.Validators))
}

// readKey reads the gateway's API key at the validators from a file that only its owner may read.
func readKey(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fault.Wrap(fault.Invalid, err, "rest.validator_key_file: make a key with `aurigraph apikey new --role gateway` and put it there")
	case info.Mode().Perm()&0o077 != 0:
		return "", fault.New(fault.Denied, "others may read %s: chmod 600 %s", path, path)
	case info.Size() > keyFileBytesMax:
		return "", fault.New(fault.Invalid, "%s has %d bytes, at most %d: it holds the API key and nothing else", path, info.Size(), keyFileBytesMax)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "read the gateway's API key")
	}
	key := strings.TrimSpace(string(text))
	if key == "" {
		return "", fault.New(fault.Invalid, "%s is empty: it must hold the gateway's API key", path)
	}
	return key, nil
}

// indexed is the gateway's index as the dialect's lists.
type indexed struct {
	*query.Query
	follower *indexer.Indexer
}

// Height is how far the index has come.
func (i indexed) Height() chain.Height { return i.follower.Height() }

// restReader is a remote reader with the dialect's words.
type restReader struct{ *remote.Reader }

// Counters are the ledger at a glance.
func (r restReader) Counters() restv10.Counters { return restv10.Counters(r.Reader.Counters()) }

func (r *rest) newServer() (*restv10.Server, error) {
	g := r.gateway
	cfg := restv10.Config{
		Node: g.cfg.Name, Network: g.genesis.Name, Version: g.cfg.Version, Genesis: v10.Time(g.genesis.TimeUs / 1000),
		GenesisHash: "0x" + codec.GenesisHash(g.genesis).String(), ConnectionsMax: restConnectionsMax, Example: g.cfg.Rest.Example,
	}
	if at, ok := r.listener.Addr().(*net.TCPAddr); ok {
		cfg.Port = at.Port
	}
	parts := restv10.Parts{
		Desk: r.ledger.Desk(), Reader: restReader{r.ledger.Reader()}, Access: r.guard, Home: r.home, Log: g.log, Metrics: g.registry, Ready: g.pool.Connected,
	}
	if r.trail != nil {
		parts.Trail = r.trail
	}
	return restv10.New(cfg, parts)
}

// run serves until ctx ends and the server has drained. What stands behind it goes on until then.
func (r *rest) run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return r.ledger.Run(inner) })
	group.Go(func() error { return r.guard.Run(inner) })
	if r.trail != nil {
		group.Go(func() error { return r.trail.Run(inner) })
	}
	err := r.serve(ctx)
	stop()
	return errors.Join(err, group.Wait())
}

// serve begins when something is known of the ledger, so that rates are not counted from zero; without validators it begins as well,
// and says so to whoever asks.
func (r *rest) serve(ctx context.Context) error {
	fresh, cancel := context.WithTimeout(ctx, freshMax)
	_ = r.ledger.Reader().Fresh(fresh)
	cancel()
	s, err := r.newServer()
	if err != nil {
		return err
	}
	return s.Serve(ctx, r.listener)
}

// withRest runs the gateway with the dialect in front of it: when ctx ends the dialect drains first, and the gateway goes on meanwhile.
func (g *Gateway) withRest(ctx context.Context, run func(context.Context) error) error {
	if g.rest == nil {
		return run(ctx)
	}
	return restv10.Before(ctx, g.rest.run, run, func() {})
}

// RestAddress is where the V10 dialect listens; empty if nowhere.
func (g *Gateway) RestAddress() string {
	if g.rest == nil {
		return ""
	}
	return g.rest.listener.Addr().String()
}
