// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/nginx"
)

// secondGateway names the gateway beside the network's own.
const secondGateway = "gateway1"

// restGateway is a gateway of a bench that serves the V10 dialect, and its process.
type restGateway struct {
	app     *app
	network *network.Network
	gateway *network.Gateway
	process *network.Process // nil: it does not run
}

// newRestGateway starts a gateway without a query index: it would follow millions of payments beside what is measured, and no request
// of the bench asks for a list.
func (a *app) newRestGateway(ctx context.Context, n *network.Network, gateway *network.Gateway) (*restGateway, error) {
	cfg, err := config.LoadGateway(n.Path(gateway.Dir))
	if err != nil {
		return nil, err
	}
	cfg.Index.Enabled = false
	if err := config.ReplaceGateway(cfg.Dir, cfg); err != nil {
		return nil, err
	}
	g := &restGateway{app: a, network: n, gateway: gateway}
	return g, g.start(ctx)
}

func (g *restGateway) start(ctx context.Context) error {
	self, err := thisProgram()
	if err != nil {
		return err
	}
	logs := io.Writer(g.app.err)
	if !g.app.json {
		f, err := os.OpenFile(g.network.Path(filepath.Join(g.gateway.Dir, gatewayLog)), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "open the gateway's log")
		}
		logs = f
	}
	p, err := g.network.LaunchGatewayOf(g.gateway, self, logs)
	g.app.closeLog(logs)
	if err != nil {
		return err
	}
	if err := p.AwaitReady(ctx); err != nil {
		return errors.Join(err, p.Stop())
	}
	g.process = p
	return nil
}

// stop asks the gateway to end, and waits until it has drained.
func (g *restGateway) stop() error {
	if g == nil || g.process == nil {
		return nil
	}
	p := g.process
	g.process = nil
	return p.Stop()
}

// rollBehindNginx puts nginx in front of the network's gateway and a second one.
func (a *app) rollBehindNginx(ctx context.Context, n *network.Network, first *restGateway) (*loadgen.Rolling, error) {
	if _, err := nginx.Find(); err != nil {
		return nil, err
	}
	made, err := n.AddGateway(secondGateway)
	if err != nil {
		return nil, err
	}
	second, err := a.newRestGateway(ctx, n, made)
	if err != nil {
		return nil, errors.Join(err, second.stop())
	}
	gateways := []*restGateway{first, second}
	front, err := nginx.Start(ctx, nginx.Config{Dir: n.Path("nginx"), Upstreams: []string{first.process.Ready.REST, second.process.Ready.REST}})
	if err != nil {
		return nil, errors.Join(err, second.stop())
	}
	return &loadgen.Rolling{
		Address: front.Address(), Count: len(gateways),
		Restart: func(ctx context.Context, i int) error {
			if err := gateways[i].stop(); err != nil {
				return err
			}
			return gateways[i].start(ctx)
		},
		Stop: func() error { return errors.Join(front.Stop(), second.stop()) }, // the first one is the bench's
	}, nil
}
