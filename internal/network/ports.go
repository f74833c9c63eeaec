// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Free ports are taken from below those that systems give to outgoing connections. A validator that is down for a moment
// must find its port free when it comes back, while its peers dial it again and again.
const (
	portFirst = 10_000
	portLast  = 31_999
	portTries = 200 // then the system chooses
	portMax   = 65_535
)

// anyAddress stands for a free port of this machine.
const anyAddress = "127.0.0.1:0"

// assign gives each node addresses that are free now: those that begin at a port, or else (0) those it had, and others on
// the same hosts where they are taken. Each gets the list of all. It writes nothing.
func (n *Network) assign(configs []config.Node, port int) (err error) {
	keep := port != 0
	if keep {
		if err := n.number(configs, port); err != nil {
			return err
		}
	}
	held := reservation{others: n.Sync.chosen()}
	defer func() { err = errors.Join(err, held.release()) }()
	for i := range configs {
		if n.Nodes[i].Left() {
			continue
		}
		if err := n.assignNode(&configs[i], i, &held, keep); err != nil {
			return err
		}
	}
	n.listAddresses(configs)
	return n.assignGateway(&held, keep)
}

// assignGateway gives the gateway addresses.
func (n *Network) assignGateway(held *reservation, keep bool) (err error) {
	if n.Gateway == nil {
		return nil
	}
	return n.Gateway.assign(held, keep)
}

func (g *Gateway) assign(held *reservation, keep bool) (err error) {
	for _, a := range []*string{&g.GRPC, &g.Metrics, &g.REST} {
		if *a, err = held.take(*a, keep); err != nil {
			return err
		}
	}
	return nil
}

// assignNode gives one node addresses.
func (n *Network) assignNode(c *config.Node, i int, held *reservation, keep bool) (err error) {
	if hasPeers(c) && c.Validators.Listen == "" {
		c.Validators.Listen = anyAddress
	}
	for _, a := range []*string{&c.GRPC, &c.Metrics, &c.Validators.Listen, &c.Rest.Listen} {
		if *a, err = held.take(*a, keep); err != nil {
			return err
		}
	}
	n.Nodes[i].GRPC, n.Nodes[i].Metrics, n.Nodes[i].Validator, n.Nodes[i].REST = c.GRPC, c.Metrics, c.Validators.Listen, c.Rest.Listen
	return nil
}

// listAddresses gives each node the list of all, by number; that of a vacant number is empty. A validator whose admission was
// begun is on it: no node starts without the address of a member.
func (n *Network) listAddresses(configs []config.Node) {
	reached := []string{}
	for _, node := range n.Nodes {
		if node.Validator != "" || node.Left() {
			reached = append(reached, reachable(node.Validator))
		}
	}
	if no, address, ok := n.awaited(); ok && no == len(reached) {
		reached = append(reached, address)
	} else if ok && no < len(reached) && reached[no] == "" {
		reached[no] = address
	}
	for i := range configs {
		configs[i].Validators.Addresses = slices.Clone(reached)
	}
}

// hasPeers reports whether a node listens for other validators. One that is alone with an engine for several does too: it
// is the same program.
func hasPeers(c *config.Node) bool { return c.Order.Engine != config.EngineSolo }

// number gives the nodes ports from one on: API, metrics and, with peers, validators of the first, then of the next; then the
// gateway's API and metrics, the nodes' V10 dialects, and the gateway's.
func (n *Network) number(configs []config.Node, port int) error {
	next := func() string {
		port++
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(port-1))
	}
	first := port
	for i := range configs {
		c := &configs[i]
		c.GRPC, c.Metrics = next(), next()
		if hasPeers(c) {
			c.Validators.Listen = next()
		}
	}
	if n.Gateway != nil {
		n.Gateway.GRPC, n.Gateway.Metrics = next(), next()
	}
	port = numberRest(configs, port)
	if n.Gateway != nil && n.Gateway.REST != "" {
		n.Gateway.REST = next()
	}
	if first < 1 || port-1 > portMax {
		return fault.New(fault.Invalid, "ports %d to %d: take a first one of 1 to %d", first, port-1, portMax-(port-1-first))
	}
	return nil
}

// reachable is where another process of this machine finds a listener.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// chosen are the addresses of the network's gateway and nodes but one; below 0: of all.
func (n *Network) chosen(but int) (all []string) {
	for i := range n.Nodes {
		node := &n.Nodes[i]
		if i == but {
			continue
		}
		all = append(all, node.GRPC, node.Metrics, node.REST, node.Validator)
	}
	if g := n.Gateway; g != nil {
		all = append(all, g.GRPC, g.Metrics, g.REST)
	}
	return all
}

// A reservation holds ports until all of a network are chosen, so that no two nodes get the same.
type reservation struct {
	listeners []net.Listener
	others    []string // chosen before, by processes that may not run now
}

// take returns the address if it is free, and one on the same host if it is not, unless it must be kept. Empty stays empty.
func (r *reservation) take(address string, keep bool) (string, error) {
	if address == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = "127.0.0.1", "0"
	}
	if port != "0" && (keep || !slices.Contains(r.others, address)) {
		l, err := net.Listen("tcp", address)
		if err == nil || keep {
			return r.hold(l, err, address)
		}
	}
	for range portTries {
		at := net.JoinHostPort(host, strconv.Itoa(portFirst+rand.IntN(portLast-portFirst+1)))
		if slices.Contains(r.others, at) {
			continue
		}
		l, err := net.Listen("tcp", at)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return r.hold(l, err, address)
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	return r.hold(l, err, address)
}

func (r *reservation) hold(l net.Listener, err error, address string) (string, error) {
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "cannot listen on %s", address)
	}
	r.listeners = append(r.listeners, l)
	return l.Addr().String(), nil
}

func (r *reservation) release() error {
	var errs []error
	for _, l := range r.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
