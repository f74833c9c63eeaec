// SPDX-License-Identifier: Apache-2.0

package network

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server"
)

// Options say what network to make.
type Options struct {
	Name     string
	Nodes    int
	Demo     bool // with a demo asset and funded accounts
	Accounts int  // funded demo accounts
	Port     int  // of node 0's API; its metrics are on the next; 0 = free ones
}

// Demo asset.
const (
	demoAsset   = "AUR"
	demoScale   = 8
	demoBalance = 1_000_000
)

// Create makes a network in dir, or opens the one that is there. A folder that holds anything else is refused.
func Create(dir string, o Options) (*Network, error) {
	if o.Nodes != 1 {
		return nil, fault.New(fault.Invalid, "%d nodes: this version runs networks of one node", o.Nodes)
	}
	if _, err := os.Stat(filepath.Join(dir, FileName)); err == nil {
		return open(dir, o)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fault.New(fault.Conflict, "%s is not empty and holds no network: name another folder with --network", dir)
	}
	b := newBuilder(dir, o)
	if err := b.build(); err != nil {
		return nil, err
	}
	return b.network, nil
}

func open(dir string, o Options) (*Network, error) {
	n, err := Open(dir)
	if err != nil {
		return nil, err
	}
	for i := range n.Nodes {
		if o.Port != 0 && i == 0 {
			if err := n.givePort(o.Port); err != nil {
				return nil, err
			}
		}
		if err := n.listenOn(i, o.Port != 0); err != nil {
			return nil, err
		}
	}
	return n, n.Save()
}

func (n *Network) givePort(port int) error {
	cfg, err := config.Load(n.Path(n.Nodes[0].Dir))
	if err != nil {
		return err
	}
	cfg.GRPC, cfg.Metrics = portAddresses(port)
	return config.Replace(cfg.Dir, cfg)
}

func portAddresses(port int) (grpc, metrics string) {
	if port == 0 {
		return "127.0.0.1:0", "127.0.0.1:0"
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1))
}

// builder makes a network step by step. network.json is written last, when all else is durable, so a folder without it is
// unfinished: a genesis or key that a power cut takes cannot be made again.
type builder struct {
	dir     string
	options Options
	network *Network
	genesis chain.Genesis
}

func newBuilder(dir string, o Options) *builder {
	return &builder{dir: dir, options: o, network: &Network{Version: fileVersion, Dir: dir, Name: o.Name, CA: caName, Keys: map[string]string{}}}
}

func (b *builder) build() error {
	for _, step := range []func() error{b.makeFolders, b.makeInstitutions, b.makeAccounts, b.makeNode, b.writeGenesis, b.writeConfig} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := syncTree(b.dir); err != nil {
		return err
	}
	return b.network.Save()
}

func (b *builder) makeFolders() error {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fault.Wrap(fault.Internal, err, "draw a chain id")
	}
	b.genesis = chain.Genesis{
		Chain:       chain.ChainID(binary.LittleEndian.Uint64(id[:])>>12 | 1), // exact in JSON's numbers
		Name:        b.options.Name,
		TimeUs:      uint64(time.Now().UnixMicro()),
		AccountsMax: chain.AccountsMaxDefault,
	}
	b.network.Chain = b.genesis.Chain
	for _, d := range []string{"keys", "node0/keys"} {
		if err := os.MkdirAll(filepath.Join(b.dir, d), 0o755); err != nil {
			return fault.Wrap(fault.Unavailable, err, "make the network's folders")
		}
	}
	return nil
}

// newKey makes a key and its file.
func (b *builder) newKey(path string, scheme keys.Scheme) (keys.Signer, error) {
	s, err := keys.Generate(scheme, rand.Reader)
	if err != nil {
		return nil, err
	}
	return s, keys.WriteFile(filepath.Join(b.dir, path), s, nil)
}

func (b *builder) makeInstitutions() error {
	for i, in := range []*Institution{&b.network.Governance, &b.network.Institution} {
		name := []string{"governance", "institution"}[i]
		*in = Institution{ID: uint32(i + 1), Name: name, KeyFile: "keys/" + name + ".key", Ed25519KeyFile: "keys/" + name + "-ed25519.key"}
		pq, err := b.newKey(in.KeyFile, keys.MLDSA65)
		if err != nil {
			return err
		}
		classic, err := b.newKey(in.Ed25519KeyFile, keys.Ed25519)
		if err != nil {
			return err
		}
		b.genesis.Institutions = append(b.genesis.Institutions, chain.GenesisInstitution{
			Name: name, Keys: []chain.HexBytes{pq.Public().Bytes(), classic.Public().Bytes()},
		})
	}
	return nil
}

func (b *builder) makeAccounts() error {
	if !b.options.Demo {
		return nil
	}
	b.network.Asset = demoAsset
	b.genesis.Assets = []chain.GenesisAsset{{Code: demoAsset, Name: "Aurigraph demo", Scale: demoScale, Flags: chain.AssetDense, Issuer: 2}}
	units, err := chain.ParseAmount(strconv.Itoa(demoBalance), demoScale)
	if err != nil {
		return err
	}
	for i := range b.options.Accounts {
		path := fmt.Sprintf("keys/account%d.key", i+1)
		s, err := b.newKey(path, keys.Ed25519)
		if err != nil {
			return err
		}
		address := s.Public().Address().String()
		b.network.Accounts = append(b.network.Accounts, address)
		b.network.Keys[address] = path
		b.genesis.Accounts = append(b.genesis.Accounts, chain.GenesisAccount{PublicKey: s.Public().Bytes(), Slot: chain.SlotNone})
		b.genesis.Holdings = append(b.genesis.Holdings, chain.GenesisHolding{Account: chain.AccountNo(len(b.genesis.Institutions) + i + 1), Asset: 1, Amount: units.String()})
	}
	return nil
}

func (b *builder) makeNode() error {
	v, err := b.newKey("node0/keys/validator.key", keys.Ed25519)
	if err != nil {
		return err
	}
	r, err := b.newKey("node0/keys/validator-root.key", keys.MLDSA65)
	if err != nil {
		return err
	}
	b.genesis.Validators = []chain.GenesisValidator{{Name: "node0", Ed25519: v.Public().Bytes()[1:], MLDSA65: r.Public().Bytes()[1:]}}
	_, ca, err := server.DevTLS(filepath.Join(b.dir, "node0", "tls"), []string{"127.0.0.1", "localhost", "::1"})
	if err != nil {
		return err
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read the certificate authority")
	}
	return fault.Wrap(fault.Unavailable, os.WriteFile(filepath.Join(b.dir, caName), text, 0o644), "write the certificate authority")
}

func (b *builder) writeGenesis() error {
	if err := b.genesis.Validate(); err != nil {
		return err
	}
	b.network.GenesisHash = codec.GenesisHash(&b.genesis).String()
	text, err := json.MarshalIndent(&b.genesis, "", " ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the genesis")
	}
	for _, path := range []string{genesisName, "node0/" + genesisName} {
		if err := os.WriteFile(filepath.Join(b.dir, path), append(text, '\n'), 0o644); err != nil {
			return fault.Wrap(fault.Unavailable, err, "write the genesis")
		}
	}
	return nil
}

func (b *builder) writeConfig() error {
	cfg := config.Default()
	cfg.GRPC, cfg.Metrics = portAddresses(b.options.Port)
	if err := config.Write(filepath.Join(b.dir, "node0"), cfg); err != nil {
		return err
	}
	b.network.Nodes = []Node{{ID: "node0", Dir: "node0"}}
	return b.network.listenOn(0, b.options.Port != 0)
}
