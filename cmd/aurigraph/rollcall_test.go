// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// speaker is a validator that says what a test gives it.
type speaker struct {
	*grpcapitest.Node
	says query.Status
}

func (s *speaker) Status(context.Context) (*query.Status, error) { return &s.says, nil }

// choir is a network's folder whose validators are speakers. Those that are nil are down.
type choir struct {
	t       *testing.T
	network *network.Network
	genesis *chain.Genesis
	run     *network.RunFile
}

func newChoir(t *testing.T) *choir {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "net"), network.Options{Name: "choir", Nodes: 4})
	if err != nil {
		t.Fatal(err)
	}
	c := &choir{t: t, network: n, run: n.NewRunFile()}
	if c.genesis, err = node.ReadGenesis(n.Path("genesis.json")); err != nil {
		t.Fatal(err)
	}
	for i := range n.Nodes {
		n.Nodes[i].GRPC = "127.0.0.1:1" // nobody listens there
	}
	c.save()
	return c
}

func (c *choir) save() {
	c.t.Helper()
	if err := c.network.Save(); err != nil {
		c.t.Fatal(err)
	}
}

// says serves what validator i says, and gives the rest of a status that is whole.
func (c *choir) says(i int, s query.Status) {
	c.t.Helper()
	s.Chain, s.Network, s.Genesis = c.genesis.Chain, c.genesis.Name, codec.GenesisHash(c.genesis)
	s.Node, s.Engine, s.Validator, s.Validators = c.network.Nodes[i].ID, "raft", chain.ValidatorNo(i), c.genesis.Membership().Members
	c.serve(i, &speaker{says: s})
}

func (c *choir) serve(i int, s *speaker) {
	c.t.Helper()
	c.network.Nodes[i].GRPC = c.listen(i, s)
	c.save()
}

// listen serves a speaker with the certificate of a validator.
func (c *choir) listen(i int, s *speaker) (address string) {
	c.t.Helper()
	settings, err := config.Load(c.network.Path(c.network.Nodes[i].Dir))
	if err != nil {
		c.t.Fatal(err)
	}
	files := server.TLSFiles{Cert: settings.Path(settings.TLS.Cert), Key: settings.Path(settings.TLS.Key)}
	cfg, err := files.Load()
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := server.Listen("127.0.0.1:0", 16)
	if err != nil {
		c.t.Fatal(err)
	}
	edge := grpcapi.New(grpcapi.Config{TLS: cfg, ShutdownGrace: 10 * time.Millisecond}, s, nil) // it lets no clients in
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- edge.Serve(ctx, l) }()
	c.t.Cleanup(func() { cancel(); <-done })
	return l.Addr().String()
}

func (c *choir) status() map[string]any {
	c.t.Helper()
	begin := time.Now()
	m := answer(c.t, exitDone, "status", "--network", c.network.Dir)
	if took := time.Since(begin); took > 3*time.Second {
		c.t.Errorf("it took %s", took)
	}
	return m
}

// rowsAre compares each validator's id, state and one more field.
func (c *choir) rowsAre(m map[string]any, field string, want ...string) {
	c.t.Helper()
	var got []string
	for _, v := range m["validators"].([]any) {
		row := v.(map[string]any)
		got = append(got, fmt.Sprint(row["id"], " ", row["state"], " ", row[field]))
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("%q, must be %q", got, want)
	}
}

func led(by int, term uint64) query.OrderStatus {
	return query.OrderStatus{Role: "follower", Term: term, HasLeader: true, Leader: chain.ValidatorNo(by)}
}

func leading(me int, term uint64) query.OrderStatus {
	return query.OrderStatus{Role: "leader", Term: term, HasLeader: true, Leader: chain.ValidatorNo(me)}
}

// The leader is that of the newest term that anybody names, and a validator that is down has a row.
func TestStatusAfterAChangeOfLeader(t *testing.T) {
	c := newChoir(t)
	c.says(0, query.Status{Height: 40, Executed: 41, State: query.StateFollower, Order: led(3, 5)})
	c.says(1, query.Status{Height: 45, Executed: 46, State: query.StateFollower, Order: led(2, 6), Accounts: 7})
	c.says(2, query.Status{Height: 44, Executed: 47, State: query.StateLeader, Order: leading(2, 6)})
	if err := c.run.Set(1, os.Getpid(), true); err != nil {
		t.Fatal(err)
	}
	m := c.status()
	if m["leader"] != "node2" || m["term"] != 6.0 || m["height"] != 45.0 || m["certified"] != 45.0 || m["node"] != "node1" || m["accounts"] != 7.0 || m["halted"] != false {
		t.Error(m)
	}
	c.rowsAre(m, "height", "node0 follower 40", "node1 follower 45", "node2 leader 44", "node3 down 0")
	c.rowsAre(m, "leader", "node0 follower node3", "node1 follower node2", "node2 leader node2", "node3 down ")
	c.rowsAre(m, "pid", "node0 follower 0", fmt.Sprintf("node1 follower %v", float64(os.Getpid())), "node2 leader 0", "node3 down 0")
	if text := want(t, exitDone, "status", "--network", c.network.Dir).out; !strings.Contains(text, "node2, term 6") || !strings.Contains(text, "nothing listens at 127.0.0.1:1") {
		t.Error(text)
	}
}

// While all that answer name a validator that is down, it is the leader. While none names one, there is none.
func TestStatusWithoutALeader(t *testing.T) {
	c := newChoir(t)
	c.says(0, query.Status{Height: 9, State: query.StateFollower, Order: led(3, 5)})
	c.says(1, query.Status{Height: 9, State: query.StateCandidate, Order: query.OrderStatus{Role: "candidate", Term: 6}})
	if m := c.status(); m["leader"] != "node3" || m["term"] != 5.0 {
		t.Error(m)
	}
	c.says(0, query.Status{State: query.StateStarting, Order: query.OrderStatus{Role: "candidate", Term: 8}})
	m := c.status()
	if m["leader"] != "" || m["term"] != 8.0 {
		t.Error(m)
	}
	c.rowsAre(m, "lag_heights", "node0 starting <nil>", "node1 candidate <nil>", "node2 down <nil>", "node3 down <nil>")
	if text := want(t, exitDone, "status", "--network", c.network.Dir).out; !strings.Contains(text, "nobody, term 8") {
		t.Error(text)
	}
}

// Who takes connections and never says a word holds the answer up for a moment only; who speaks for another is not heard.
func TestStatusWithSilentValidators(t *testing.T) {
	c := newChoir(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c.network.Nodes[0].GRPC, c.network.Nodes[2].GRPC = silent.Addr().String(), silent.Addr().String()
	c.says(1, query.Status{Height: 9, State: query.StateLeader, Order: leading(1, 5)})
	c.network.Nodes[3].GRPC = c.network.Nodes[1].GRPC
	c.save()
	m := c.status()
	if m["leader"] != "node1" {
		t.Error(m)
	}
	c.rowsAre(m, "error", "node0 down it does not answer", "node1 leader <nil>", "node2 down it does not answer",
		"node3 down validator 1 answers at the address of validator 3")
}

// What the leader knows of its followers' logs is shown, and decides who catches up. A halted writer says so.
func TestStatusOfThoseBehind(t *testing.T) {
	c := newChoir(t)
	behind := leading(1, 5)
	c.says(0, query.Status{Height: 9, State: query.StateFollower, Order: led(1, 5), IndexHeight: 8, IndexLagRows: 3})
	c.says(1, query.Status{Height: 900, State: query.StateLeader, Order: behind, Peers: []query.Peer{
		{Number: 0, Log: &query.PeerLog{Height: 835, LagHeights: 65}},
		{Number: 2, Log: &query.PeerLog{Height: 836, LagHeights: 64}},
		{Number: 3, Log: &query.PeerLog{Height: 1, LagHeights: 899}},
	}})
	c.says(2, query.Status{Height: 9, State: query.StateFollower, Order: led(1, 5)})
	c.says(3, query.Status{Height: 1, State: query.StateHalted, Order: led(1, 5), Halted: true, HaltedReason: "its header differs"})
	m := c.status()
	c.rowsAre(m, "lag_heights", "node0 catching_up 65", "node1 leader 0", "node2 follower 64", "node3 halted 899")
	if m["halted"] != true || m["halted_reason"] != "its header differs" || m["index_height"] != 8.0 || m["index_lag_rows"] != 3.0 {
		t.Error(m)
	}
	if text := want(t, exitDone, "status", "--network", c.network.Dir).out; strings.Count(text, "its header differs") != 2 {
		t.Error(text)
	}
}

// The gateway says how far the index is; it speaks for no validator.
func TestStatusOfTheEdge(t *testing.T) {
	c := newChoir(t)
	c.says(0, query.Status{Height: 9, State: query.StateLeader, Order: leading(0, 5)})
	edge := func() map[string]any { return c.status()["edge"].(map[string]any) }
	if e := edge(); e["state"] != "down" || e["error"] == nil || e["index_height"] != 0.0 {
		t.Error(e)
	}
	said := query.Status{Height: 12, State: query.StateFollower, Order: led(0, 5), IndexHeight: 7, IndexLagRows: 40, Validators: c.genesis.Membership().Members}
	said.Chain, said.Network, said.Genesis, said.Engine = c.genesis.Chain, c.genesis.Name, codec.GenesisHash(c.genesis), "raft"
	c.network.Gateway.GRPC = c.listen(0, &speaker{says: said})
	c.save()
	if err := c.run.SetEdge(os.Getpid(), true); err != nil {
		t.Fatal(err)
	}
	m := c.status()
	if e := edge(); e["state"] != "up" || e["index_height"] != 7.0 || e["index_lag_rows"] != 40.0 || e["pid"] != float64(os.Getpid()) || e["grpc"] != c.network.Gateway.GRPC {
		t.Error(e)
	}
	if m["height"] != 9.0 || m["index_height"] != 7.0 || m["index_lag_rows"] != 40.0 || len(m["validators"].([]any)) != 4 {
		t.Error(m)
	}
	if text := want(t, exitDone, "status", "--network", c.network.Dir).out; !strings.Contains(text, "index at height 7, 40 rows behind") {
		t.Error(text)
	}
}

// With --endpoint one validator is asked, and the others are known by name and by what it says of them.
func TestStatusOfAnEndpoint(t *testing.T) {
	c := newChoir(t)
	c.says(2, query.Status{Height: 9, State: query.StateLeader, Order: leading(2, 5), Peers: []query.Peer{{Number: 0, Log: &query.PeerLog{LagHeights: 7}}}})
	at := []string{"--endpoint", c.network.Nodes[2].GRPC, "--ca", c.network.Path(c.network.CA), "--trust", c.network.Path("genesis.json")}
	m := answer(t, exitDone, append([]string{"status"}, at...)...)
	c.rowsAre(m, "lag_heights", "node0 unknown 7", "node1 unknown <nil>", "node2 leader 0", "node3 unknown <nil>")
	if m["leader"] != "node2" || m["node"] != "node2" {
		t.Error(m)
	}
	want(t, exitDone, append([]string{"validators"}, at...)...)
}

// When nobody answers, that is the answer, at once.
func TestStatusOfNobody(t *testing.T) {
	c := newChoir(t)
	for _, command := range []string{"status", "validators"} {
		begin := time.Now()
		r := want(t, exitFailed, command, "--network", c.network.Dir)
		if !strings.Contains(r.err, "start the network with `aurigraph up --network") || time.Since(begin) > 3*time.Second {
			t.Error(r.err, time.Since(begin))
		}
	}
	c.says(1, query.Status{})
	other := newChoir(t)
	other.network.CA, other.network.Nodes[0].GRPC = c.network.Path(c.network.CA), c.network.Nodes[1].GRPC
	other.save()
	if r := want(t, exitRefused, "status", "--network", other.network.Dir); !strings.Contains(r.err, "the node is of chain") {
		t.Error(r.err)
	}
}
