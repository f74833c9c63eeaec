// SPDX-License-Identifier: Apache-2.0

package cometbft

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/bench/peer"
	"github.com/aurigraph/aurigraph/bench/process"
)

const (
	validators  = 4
	requestTime = 30 * time.Second
)

// Peer is a network of CometBFT.
type Peer struct {
	binary    string
	variant   Variant
	processes []*process.Process
	commands  []string
	nodes     []rpc
}

// New prepares a network from a cometbft binary.
func New(binary string, v Variant) *Peer { return &Peer{binary: binary, variant: v} }

// Start writes the folders of the validators, starts them, and waits until all are connected and make blocks.
func (p *Peer) Start(ctx context.Context, dir string) error {
	testnet := []string{p.binary, "testnet", "--v", fmt.Sprint(validators), "--o", dir, "--populate-persistent-peers=false"}
	if _, err := process.Run(nil, dir, testnet...); err != nil {
		return err
	}
	p.commands = append(p.commands, strings.Join(testnet, " "))
	ports, err := process.FreePorts(2 * validators)
	if err != nil {
		return err
	}
	homes := make([]string, validators)
	addresses := make([]string, validators)
	for i := range homes {
		homes[i] = filepath.Join(dir, fmt.Sprintf("node%d", i))
		id, err := process.Run(nil, dir, p.binary, "show-node-id", "--home", homes[i])
		if err != nil {
			return err
		}
		addresses[i] = fmt.Sprintf("%s@127.0.0.1:%d", strings.TrimSpace(id), ports[validators+i])
	}
	for i, home := range homes {
		// Each pair is dialled from one side: two connections at once are both given up, and tried again seconds later.
		if err := p.configure(home, ports[i], ports[validators+i], addresses[:i]); err != nil {
			return err
		}
		if err := p.launch(home, ports[i]); err != nil {
			return err
		}
	}
	for i, node := range p.nodes {
		if err := peer.Until(ctx, p.processes[i], func() error { return ready(ctx, node) }); err != nil {
			return err
		}
	}
	return nil
}

func (p *Peer) configure(home string, rpcPort, p2pPort int, others []string) error {
	settings := append([]setting{
		{"rpc", "laddr", fmt.Sprintf(`"tcp://127.0.0.1:%d"`, rpcPort)},
		{"rpc", "pprof_laddr", `""`},
		{"p2p", "laddr", fmt.Sprintf(`"tcp://127.0.0.1:%d"`, p2pPort)},
		{"p2p", "persistent_peers", `"` + strings.Join(others, ",") + `"`},
	}, oneMachine...)
	if err := editFile(filepath.Join(home, "config", "config.toml"), append(settings, p.variant.Settings...)); err != nil {
		return err
	}
	if p.variant.MaxBlockBytes == 0 {
		return nil
	}
	return enlargeBlocks(filepath.Join(home, "config", "genesis.json"), p.variant.MaxBlockBytes)
}

func (p *Peer) launch(home string, port int) error {
	argv := []string{p.binary, "start", "--home", home, "--proxy_app", p.variant.App}
	validator, err := process.Start(process.Spec{Argv: argv, LogFile: home + ".log"})
	if err != nil {
		return err
	}
	p.processes = append(p.processes, validator)
	p.commands = append(p.commands, validator.Line())
	transport := &http.Transport{MaxIdleConnsPerHost: p.variant.Senders, DisableCompression: true}
	p.nodes = append(p.nodes, rpc{fmt.Sprintf("http://127.0.0.1:%d", port), &http.Client{Transport: transport, Timeout: requestTime}})
	return nil
}

func ready(ctx context.Context, node rpc) error {
	var net struct {
		Peers number `json:"n_peers"`
	}
	if err := node.ask(ctx, "net_info", nil, &net); err != nil {
		return err
	}
	if net.Peers < validators-1 {
		return fmt.Errorf("%d peers, wants %d", net.Peers, validators-1)
	}
	_, height, err := node.committed(ctx, 0)
	if err == nil && height == 0 {
		err = errors.New("no block yet")
	}
	return err
}

// PIDs of the validators.
func (p *Peer) PIDs() []int {
	var pids []int
	for _, v := range p.processes {
		pids = append(pids, v.PID())
	}
	return pids
}

// Commands that made and started the validators; what was changed in config.toml stands in the variant.
func (p *Peer) Commands() []string {
	lines := p.commands
	for _, s := range p.variant.Settings {
		lines = append(lines, fmt.Sprintf("config.toml [%s] %s = %s", s.section, s.key, s.value))
	}
	if p.variant.MaxBlockBytes > 0 {
		lines = append(lines, fmt.Sprintf("genesis.json consensus_params.block.max_bytes = %d", p.variant.MaxBlockBytes))
	}
	return lines
}

// Stop stops the validators.
func (p *Peer) Stop() error {
	for _, n := range p.nodes {
		n.http.CloseIdleConnections()
	}
	return process.StopAll(p.processes)
}
