// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/bench/peer"
	"github.com/aurigraph/aurigraph/bench/process"
)

const (
	members     = 3
	accounts    = 1_000_000
	recordBytes = 64
	requestTime = 10 * time.Second
	requestMax  = 8 << 20
)

// Variant is how etcd is run and loaded.
type Variant struct {
	Flags       []string // beyond those that make a cluster
	Connections int
	Clients     int // requests under way
	Puts        int // in one transaction; 1: a plain put
	Records     int // in one put
}

// Default is etcd as it comes, loaded as its own benchmark's documentation does: many clients, one put each.
var Default = Variant{Connections: 100, Clients: 1000, Puts: 1, Records: 1}

// Tuned batches as much into a transaction as a limit raised for it allows, and takes snapshots rarely.
var Tuned = Variant{Flags: tuned, Connections: 6, Clients: 16, Puts: 1024, Records: 1}

// Opaque is the tuned one with puts of 1,024 records each.
var Opaque = Variant{Flags: tuned, Connections: 6, Clients: 32, Puts: 1, Records: 1024}

var tuned = []string{
	"--max-txn-ops=8192", "--max-request-bytes=8388608", "--quota-backend-bytes=8589934592", "--snapshot-count=1000000",
	"--logger=zap", "--log-level=warn",
}

// Peer is a cluster of etcd.
type Peer struct {
	binary    string
	variant   Variant
	processes []*process.Process
	clients   []*clientv3.Client
}

// New prepares a cluster from an etcd binary.
func New(binary string, v Variant) *Peer { return &Peer{binary: binary, variant: v} }

// Start starts the members and connects.
func (p *Peer) Start(ctx context.Context, dir string) error {
	ports, err := process.FreePorts(2 * members)
	if err != nil {
		return err
	}
	url := func(i int) string { return fmt.Sprintf("http://127.0.0.1:%d", ports[i]) }
	var cluster, endpoints []string
	for i := range members {
		cluster = append(cluster, fmt.Sprintf("m%d=%s", i, url(members+i)))
		endpoints = append(endpoints, url(i))
	}
	for i := range members {
		name := fmt.Sprintf("m%d", i)
		argv := append([]string{
			p.binary, "--name", name, "--data-dir", filepath.Join(dir, name),
			"--listen-client-urls", url(i), "--advertise-client-urls", url(i),
			"--listen-peer-urls", url(members + i), "--initial-advertise-peer-urls", url(members + i),
			"--initial-cluster", strings.Join(cluster, ","), "--initial-cluster-state", "new",
		}, p.variant.Flags...)
		member, err := process.Start(process.Spec{Argv: argv, LogFile: filepath.Join(dir, name+".log")})
		if err != nil {
			return err
		}
		p.processes = append(p.processes, member)
	}
	return p.connect(ctx, endpoints)
}

// connect spreads the connections over the members, and waits until each serves.
func (p *Peer) connect(ctx context.Context, endpoints []string) error {
	for i := range p.variant.Connections {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoints[i%members]}, DialTimeout: requestTime, MaxCallSendMsgSize: requestMax, Logger: zap.NewNop()})
		if err != nil {
			return err
		}
		p.clients = append(p.clients, c)
	}
	for i := range min(members, len(p.clients)) {
		err := peer.Until(ctx, p.processes[i], func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := p.clients[i].Put(ctx, "ready", "yes")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Load keeps Clients requests under way.
func (p *Peer) Load(ctx context.Context, tally *peer.Tally) error {
	var g errgroup.Group
	for i := range p.variant.Clients {
		client := p.clients[i%len(p.clients)]
		random := rand.New(rand.NewPCG(uint64(i), accounts))
		g.Go(func() error { return p.put(ctx, client, random, tally) })
	}
	return g.Wait()
}

func (p *Peer) put(ctx context.Context, client *clientv3.Client, random *rand.Rand, tally *peer.Tally) error {
	value := strings.Repeat("r", p.variant.Records*recordBytes)
	ops := make([]clientv3.Op, p.variant.Puts)
	keys := make(map[uint32]struct{}, p.variant.Puts)
	for ctx.Err() == nil {
		// etcd refuses a transaction that puts one key twice.
		clear(keys)
		for i := range ops {
			ops[i] = clientv3.OpPut(account(random, keys), value)
		}
		asked := time.Now()
		err := p.send(ctx, client, ops)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			tally.Done(len(ops)*p.variant.Records, asked)
		case p.processes[0].Exited() != nil:
			return err
		default:
			tally.Refused(len(ops)*p.variant.Records, err.Error())
		}
	}
	return nil
}

func (p *Peer) send(ctx context.Context, client *clientv3.Client, ops []clientv3.Op) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	if len(ops) == 1 {
		_, err := client.Do(ctx, ops[0])
		return err
	}
	answer, err := client.Txn(ctx).Then(ops...).Commit()
	if err == nil && !answer.Succeeded {
		return errors.New("transaction not applied")
	}
	return err
}

// account draws a key that is not among those taken, and takes it.
func account(random *rand.Rand, taken map[uint32]struct{}) string {
	for {
		n := random.Uint32N(accounts)
		if _, ok := taken[n]; !ok {
			taken[n] = struct{}{}
			return fmt.Sprintf("%08x", n)
		}
	}
}

// PIDs of the members.
func (p *Peer) PIDs() []int {
	var pids []int
	for _, m := range p.processes {
		pids = append(pids, m.PID())
	}
	return pids
}

// Commands that started the members.
func (p *Peer) Commands() []string {
	var lines []string
	for _, m := range p.processes {
		lines = append(lines, m.Line())
	}
	return lines
}

// Stop closes the connections and stops the members.
func (p *Peer) Stop() error {
	for _, c := range p.clients {
		c.Close() // the members are about to end: an error of the connection says nothing
	}
	return process.StopAll(p.processes)
}
