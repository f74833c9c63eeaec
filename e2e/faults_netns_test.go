// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	stdnet "net" // net is a network here
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// metro is a fleet of which each validator has its own network namespace, all on one bridge. What passes between validators
// can be dropped there; the clients, on the machine itself, reach every validator whatever its peers do.
type metro struct {
	*fleet
	prefix string // of all names
	subnet string // its first three numbers
}

// Ports of each validator; its address is its own.
const (
	apiPort       = "7450"
	metricsPort   = "7451"
	validatorPort = "7452"
)

// namePrefix begins the names of namespaces and links, which go on with the test's process id, so that what a killed test left
// is recognised.
const namePrefix = "aue2e"

// newMetro makes the namespaces and a network in them, or skips the test aloud where that is not permitted.
func newMetro(t *testing.T) *metro {
	t.Helper()
	needTools(t)
	sweep()
	m := &metro{prefix: namePrefix + strconv.Itoa(os.Getpid()), subnet: freeSubnet(t)}
	t.Cleanup(m.remove)
	if err := m.lay(); err != nil {
		t.Skipf("*** no network namespaces here, partitions and loss are NOT TESTED: %v ***", err)
	}
	m.fleet = newFleet(t)
	m.moveIn()
	return m
}

func needTools(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("*** not root: partitions and loss between processes are NOT TESTED; run it as root ***")
	}
	for _, tool := range []string{"ip", "nft", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("*** no %s here: partitions and loss between processes are NOT TESTED; apt-get install iproute2 nftables util-linux ***", tool)
		}
	}
}

// subnets is how many there are to choose from.
const subnets = 256

// freeSubnet is one of the private range that no interface of this machine is in.
func freeSubnet(t *testing.T) string {
	t.Helper()
	taken, err := stdnet.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for i := range subnets {
		subnet := fmt.Sprintf("10.213.%d", (os.Getpid()+i)%subnets) // two tests that run at once begin at different ones
		if !slices.ContainsFunc(taken, func(a stdnet.Addr) bool { return a.(*stdnet.IPNet).Contains(stdnet.ParseIP(subnet + ".1")) }) {
			return subnet
		}
	}
	t.Skip("*** the addresses of 10.213.0.0/16 are all taken: partitions and loss are NOT TESTED ***")
	return ""
}

// ourName is a name of a namespace or of a link, as the tool prints it.
var ourName = regexp.MustCompile(`\b` + namePrefix + `(\d+)-(\w+)`)

// sweep removes what tests left that were killed.
func sweep() {
	spaces, _ := exec.Command("ip", "netns", "list").Output()
	links, _ := exec.Command("ip", "-o", "link").Output()
	for _, name := range ourName.FindAllStringSubmatch(string(spaces)+string(links), -1) {
		if pid, err := strconv.Atoi(name[1]); err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if _, err := strconv.Atoi(name[2]); err == nil {
			_ = sh("ip", "netns", "del", name[0])
		} else {
			_ = sh("ip", "link", "del", name[0])
		}
	}
}

// sh runs a program whose output matters only if it fails.
func sh(args ...string) error {
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (m *metro) space(i int) string { return fmt.Sprintf("%s-%d", m.prefix, i) }
func (m *metro) bridge() string     { return m.prefix + "-b" }

// outside is the end of a validator's link that is on the bridge.
func (m *metro) outside(i int) string { return fmt.Sprintf("%s-v%d", m.prefix, i) }

// ip is a validator's address. The machine itself has the first one.
func (m *metro) ip(i int) string { return fmt.Sprintf("%s.%d", m.subnet, i+2) }

// lay makes the bridge and a namespace for each validator.
func (m *metro) lay() error {
	bridge := m.bridge()
	commands := [][]string{
		{"ip", "link", "add", bridge, "type", "bridge"},
		{"ip", "addr", "add", m.subnet + ".1/24", "dev", bridge},
		{"ip", "link", "set", bridge, "up"},
	}
	for i := range fleetSize {
		space, outside := m.space(i), m.outside(i)
		commands = append(commands,
			[]string{"ip", "netns", "add", space},
			[]string{"ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space},
			[]string{"ip", "link", "set", outside, "master", bridge, "up"},
			[]string{"ip", "-n", space, "addr", "add", m.ip(i) + "/24", "dev", "eth0"},
			[]string{"ip", "-n", space, "link", "set", "eth0", "up"},
			[]string{"ip", "-n", space, "link", "set", "lo", "up"})
	}
	for _, c := range commands {
		if err := sh(c...); err != nil {
			return err
		}
	}
	return m.rules(0, "")
}

// remove removes all that lay made, as far as it came. Links are removed by name: a namespace can outlive its name, while the
// kernel still tries to send what an ended process left.
func (m *metro) remove() {
	for i := range fleetSize {
		_ = sh("ip", "link", "del", m.outside(i))
		_ = sh("ip", "netns", "del", m.space(i))
	}
	_ = sh("ip", "link", "del", m.bridge())
}

// moveIn gives the validators their addresses, certificates for them, and a program that starts them in their namespaces.
func (m *metro) moveIn() {
	m.t.Helper()
	authority, err := server.DevAuthority()
	if err != nil {
		m.t.Fatal(err)
	}
	var peers []string
	for i := range fleetSize {
		peers = append(peers, stdnet.JoinHostPort(m.ip(i), validatorPort))
	}
	for i := range fleetSize {
		n := &m.network.Nodes[i]
		n.GRPC, n.Metrics, n.Validator = stdnet.JoinHostPort(m.ip(i), apiPort), stdnet.JoinHostPort(m.ip(i), metricsPort), peers[i]
		m.reconfigure(i, func(cfg *config.Node) {
			cfg.GRPC, cfg.Metrics, cfg.Validators.Listen, cfg.Validators.Addresses = n.GRPC, n.Metrics, n.Validator, peers
			if _, _, err := server.IssueTLS(filepath.Dir(cfg.Path(cfg.TLS.CA)), []string{m.ip(i)}, authority); err != nil {
				m.t.Fatal(err)
			}
		})
		m.started[i] = filepath.Join(m.t.TempDir(), "run")
		inside := fmt.Sprintf("#!/bin/sh\nexec nsenter --net=/run/netns/%s '%s' \"$@\"\n", m.space(i), program)
		if err := os.WriteFile(m.started[i], []byte(inside), 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
	ca := m.network.Path(m.network.CA)
	if err := errors.Join(os.Remove(ca), transport.WriteAuthority(ca, authority), m.network.Save()); err != nil {
		m.t.Fatal(err)
	}
}

// rules replaces what a validator's kernel does with the frames of its peers: statements of nftables, in the chains in and out.
func (m *metro) rules(i int, statements string) error {
	cmd := exec.Command("nsenter", "--net=/run/netns/"+m.space(i), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(`
table inet faults
delete table inet faults
table inet faults {
	chain in { type filter hook input priority 0; policy accept; }
	chain out { type filter hook output priority 0; policy accept; }
}
` + statements)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft in the namespace of node%d: %w: %s", i, err, out)
	}
	return nil
}

// A cut is what the kernel of a validator drops.
type cut struct {
	at    int
	in    []int // from these peers
	out   []int // to these peers
	inPct int   // of all that comes from peers, in per cent
}

// cut drops, until heal.
func (m *metro) cut(cuts ...cut) {
	m.t.Helper()
	for _, c := range cuts {
		var b strings.Builder
		for _, p := range c.in {
			fmt.Fprintf(&b, "add rule inet faults in ip saddr %s drop\n", m.ip(p))
		}
		for _, p := range c.out {
			fmt.Fprintf(&b, "add rule inet faults out ip daddr %s drop\n", m.ip(p))
		}
		if c.inPct > 0 {
			for _, p := range m.others(c.at) {
				fmt.Fprintf(&b, "add rule inet faults in ip saddr %s numgen random mod 100 < %d drop\n", m.ip(p), c.inPct)
			}
		}
		if err := m.rules(c.at, b.String()); err != nil {
			m.t.Fatal(err)
		}
	}
}

// part cuts some validators off from the others, in both directions.
func (m *metro) part(side ...int) {
	m.t.Helper()
	rest := m.others(side...)
	for _, i := range side {
		m.cut(cut{at: i, in: rest, out: rest})
	}
}

// lose drops a part of all packets between validators, in per cent.
func (m *metro) lose(pct int) {
	m.t.Helper()
	for i := range fleetSize {
		m.cut(cut{at: i, inPct: pct})
	}
}

// heal drops nothing any more.
func (m *metro) heal() {
	m.t.Helper()
	for i := range fleetSize {
		m.cut(cut{at: i})
	}
}
