// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/names/sqlite"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/restv10"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// restConnectionsMax bounds the connections of the V10 dialect.
const restConnectionsMax = 16_384

// rest is the V10 dialect in a node: the desk, and the server in front of it.
type rest struct {
	node     *Node
	custody  custody.Config
	listener net.Listener
	vault    *sqlite.Vault
	desk     *custody.Desk
	guard    *access.Guard
	trail    *trail.Trail // nil: none is kept
	server   *restv10.Server
	home     *hop.Client   // V10; nil: the node was not told where it is
	sync     *SyncConfig   // nil: the node does not sync with V10
	keyed    chan struct{} // closed once the custodian's key has its number, and the dialect serves
}

// openRest opens the dialect's listener, keys and names, if the settings want it.
func (n *Node) openRest(ctx context.Context) (err error) {
	cfg := &n.cfg.Rest
	if cfg.Listen == "" {
		return nil
	}
	r := &rest{node: n, keyed: make(chan struct{})}
	if err := r.readKeys(); err != nil {
		return err
	}
	if err := r.openHome(); err != nil {
		return err
	}
	dir := n.cfg.Path(cfg.Names)
	r.custody.LockDir = filepath.Join(dir, "desks")
	if r.vault, err = sqlite.Open(ctx, dir, n.genesis.Chain, codec.GenesisHash(n.genesis)); err != nil {
		return err
	}
	n.onClose(r.vault.Close)
	if r.listener, err = server.Listen(cfg.Listen, restConnectionsMax); err != nil {
		return err
	}
	n.onClose(func() error { return ignoreClosed(r.listener.Close()) })
	if r.desk, err = custody.New(r.custody, custody.Parts{Chain: deskChain{n.services.query, n.intake}, Vault: r.vault, Log: n.log, Metrics: n.metrics}); err != nil {
		return err
	}
	if err := r.openAccess(); err != nil {
		return err
	}
	if r.server, err = r.newServer(); err != nil {
		return err
	}
	if err := r.openSync(); err != nil {
		return err
	}
	r.registerCustody()
	n.services.rest = r
	n.log.Info("the V10 dialect is served", obs.KeyAddress, r.listener.Addr().String(), obs.KeyInst, cfg.Institution)
	return nil
}

// openHome makes the way to V10, which serves the accounts that it owns, if the settings say where V10 is.
func (r *rest) openHome() (err error) {
	url := r.node.cfg.Sync.Home
	if url == "" {
		return nil
	}
	if r.home, err = hop.New(hop.Config{URL: url}); err != nil {
		return err
	}
	r.custody.Home = r.home.URL()
	r.node.onClose(func() error { r.home.Close(); return nil })
	return nil
}

// readKeys reads the custodian's key and the network's alias key. The key's number is the ledger's: see findKey.
func (r *rest) readKeys() (err error) {
	n, cfg := r.node, &r.node.cfg.Rest
	if r.custody.Signer, err = keys.ReadFile(n.cfg.Path(cfg.CustodyKey), nil); err != nil {
		return err
	}
	if r.custody.AliasKey, err = keys.ReadAliasKey(n.cfg.Path(cfg.AliasKey)); err != nil {
		return err
	}
	if err := r.custody.AliasKey.Named.Fit(n.genesis.V10Slots); err != nil {
		return err
	}
	r.custody.ChannelFirst, r.custody.ChannelLast, r.custody.Carriers = cfg.ChannelFirst, cfg.ChannelLast, cfg.Carriers
	r.custody.Chain, r.custody.Institution = n.genesis.Chain, chain.InstitutionNo(cfg.Institution)
	return nil
}

func (r *rest) newServer() (*restv10.Server, error) {
	n := r.node
	cfg := restv10.Config{
		Node: n.cfg.Name, Network: n.genesis.Name, Version: Version, Genesis: v10.Time(n.genesis.TimeUs / 1000),
		GenesisHash: "0x" + codec.GenesisHash(n.genesis).String(), ConnectionsMax: restConnectionsMax,
	}
	if at, ok := r.listener.Addr().(*net.TCPAddr); ok {
		cfg.Port = at.Port
	}
	if len(n.cfg.Rest.Accounts) > 0 {
		cfg.Example = n.cfg.Rest.Accounts[0]
	}
	parts := restv10.Parts{
		Desk: r.desk, Reader: restReader{n.services.query, n.loop, n.services.hub}, Access: r.guard, Home: r.home, Log: n.log, Metrics: n.metrics, Ready: r.serves,
	}
	if r.trail != nil {
		parts.Trail = r.trail
	}
	return restv10.New(cfg, parts)
}

// run serves until ctx ends and the server has drained; then the desk stops, whose payments under way may end.
func (r *rest) run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		if !r.findKey(inner) {
			return nil
		}
		return r.desk.Run(inner)
	})
	group.Go(func() error { r.learnNames(ctx); return nil })
	group.Go(func() error { r.runSync(ctx); return nil })
	group.Go(func() error { return r.guard.Run(inner) })
	err := r.server.Serve(ctx, r.listener)
	stop()
	return errors.Join(err, group.Wait())
}

// learnNames puts the names that the genesis opened into the vault.
func (r *rest) learnNames(ctx context.Context) {
	select {
	case <-r.keyed:
	case <-ctx.Done():
		return
	}
	for _, name := range r.node.cfg.Rest.Accounts {
		if _, err := r.desk.Resolve(ctx, name); err != nil && ctx.Err() == nil {
			r.node.log.Warn("an account of the settings is not in the ledger", obs.Err(err))
		}
	}
}

// withRest runs the node with the dialect in front of it: when ctx ends the dialect drains first, and the node goes on meanwhile. The
// audit trail ends last: the custody service over gRPC writes there too.
func (s *services) withRest(ctx context.Context, run func(context.Context) error) error {
	if s.rest == nil {
		return run(ctx)
	}
	audit, quiet := context.WithCancel(context.WithoutCancel(ctx))
	defer quiet()
	audited := make(chan error, 1)
	go func() { audited <- s.rest.runTrail(audit) }()
	err := restv10.Before(ctx, s.rest.run, run, func() {
		s.rest.server.Hurry() // nothing is behind it any more, and the node's next epoch waits
		s.rest.desk.Hurry()
	})
	quiet()
	return errors.Join(err, <-audited)
}

// RestAddress is where the V10 dialect listens; empty if nowhere.
func (n *Node) RestAddress() string {
	if n.services.rest == nil {
		return ""
	}
	return n.services.rest.listener.Addr().String()
}
