// SPDX-License-Identifier: Apache-2.0

package network

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server"
)

// Demo asset.
const (
	demoAsset   = "AUR"
	DemoScale   = 8 // places of the demo asset, and of V10's AUR
	demoBalance = 1_000_000
	demoUnit    = 100_000_000 // smallest units, by DemoScale
)

// DemoBalance is what each account of a demo network has, in the smallest units of its asset.
func DemoBalance() chain.Amount { return chain.Units(demoBalance * demoUnit) }

// certificateLifetime is how long validators know each other by what Create writes.
const certificateLifetime = 5 * 365 * 24 * time.Hour

// intervalOfSeveral is the least time between two blocks of several validators: a block costs each of them a flush and a
// signature, and on one machine they share its cores.
const intervalOfSeveral = 5 * time.Millisecond

// intervalOfSynced is the same beside a V10. Both ledgers make a block of nearly every change that comes alone, and tell the other of each
// block: what waits a moment shares one.
const intervalOfSynced = 15 * time.Millisecond

// carriersOfSynced is how many batches of payments a validator beside a V10 has under way: all that wait share one, a block or so later.
const carriersOfSynced = 1

// threadsOfSynced is for a machine with fewer cores than validators, where V10, its half of the sync and the brokers run too: threads of one
// process that wake each other only take time from the others.
const threadsOfSynced = 1

// builder makes a network step by step. network.json is written last, when all else is durable, so a folder without it is
// unfinished: a genesis or key that a power cut takes cannot be made again.
type builder struct {
	dir     string
	options Options
	network *Network
	genesis chain.Genesis
	configs []config.Node
}

func newBuilder(dir string, o Options) *builder {
	return &builder{dir: dir, options: o, network: &Network{Version: fileVersion, Dir: dir, Name: o.Name, CA: caName, Keys: map[string]string{}}}
}

func (b *builder) build() error {
	for _, step := range []func() error{b.chooseAddresses, b.makeFolders, b.makeInstitutions, b.makeV10Keys, b.makeSync, b.makeAccounts, b.makeV10Accounts, b.makeNodes, b.writeGenesis, b.writeConfigs, b.makeGateway, b.useIndex, b.useSync} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := syncTree(b.dir); err != nil {
		return err
	}
	return b.network.Save()
}

func (b *builder) useIndex() error { return b.network.useIndex(b.options.Index) }

func (b *builder) useSync() error { return b.network.useSync(nil) }

// chooseAddresses comes first: settings that will not do and ports that cannot be had leave no folder behind.
func (b *builder) chooseAddresses() error {
	for i := range b.options.Nodes {
		b.configs = append(b.configs, b.config(i))
		b.network.Nodes = append(b.network.Nodes, Node{ID: nodeName(i), Dir: nodeName(i)})
	}
	if b.options.Nodes > 1 {
		b.network.Gateway = &Gateway{Dir: gatewayName, GRPC: anyAddress, Metrics: anyAddress}
		if b.options.V10 {
			b.network.Gateway.REST = anyAddress
		}
	}
	if err := b.network.assign(b.configs, b.options.Port); err != nil {
		return err
	}
	for _, cfg := range b.configs {
		if err := cfg.Validate(); err != nil {
			return err
		}
	}
	return nil
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
	folders := []string{"keys"}
	for i := range b.options.Nodes {
		folders = append(folders, filepath.Join(nodeName(i), "keys"))
	}
	for _, d := range folders {
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
	if b.network.Sync != nil {
		b.network.Asset = nativeAsset // AUR is V10's, and comes with the copy
	}
	b.genesis.Assets = []chain.GenesisAsset{{Code: b.network.Asset, Name: "Aurigraph demo", Scale: DemoScale, Flags: chain.AssetDense, Issuer: 2}}
	if b.options.V10 && b.network.Sync == nil {
		b.genesis.Assets[0].Flags |= chain.AssetPortable
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
		b.genesis.Holdings = append(b.genesis.Holdings, chain.GenesisHolding{Account: chain.AccountNo(len(b.genesis.Institutions) + i + 1), Asset: 1, Amount: DemoBalance().String()})
	}
	return nil
}

// nodeName names a node and its folder. Its number is the validator's.
func nodeName(i int) string { return fmt.Sprintf("node%d", i) }

func (b *builder) makeNodes() error {
	authority, err := server.DevAuthority()
	if err != nil {
		return err
	}
	for i := range b.options.Nodes {
		name := nodeName(i)
		v, err := b.newKey(name+"/keys/validator.key", keys.Ed25519)
		if err != nil {
			return err
		}
		r, err := b.newKey(name+"/keys/validator-root.key", keys.MLDSA65)
		if err != nil {
			return err
		}
		b.genesis.Validators = append(b.genesis.Validators, chain.GenesisValidator{Name: name, Ed25519: v.Public().Bytes()[1:], MLDSA65: r.Public().Bytes()[1:]})
		if err := certifyNode(&b.configs[i], b.genesis.Chain, chain.ValidatorNo(i), authority); err != nil {
			return err
		}
	}
	return writeAuthority(b.dir, authority)
}

// config is a node's settings, all but its addresses.
func (b *builder) config(i int) config.Node {
	cfg := config.Default()
	cfg.Dir, cfg.Name = filepath.Join(b.dir, nodeName(i)), nodeName(i)
	cfg.GRPC, cfg.Metrics = anyAddress, anyAddress
	cfg.Order.Engine, cfg.Rest = b.options.Engine, b.rest()
	if b.options.Nodes > 1 {
		cfg.Order.IntervalMin = intervalOfSeveral
		if b.options.Sync != nil {
			cfg.Order.IntervalMin, cfg.Rest.Carriers = intervalOfSynced, carriersOfSynced
			if runtime.NumCPU() < b.options.Nodes {
				cfg.Threads = threadsOfSynced
			}
		}
		cfg.Commit.CheckpointBytesPerSecond /= int64(b.options.Nodes) // they share one disk
		cfg.Index.Enabled = false                                     // the gateway has it
	}
	return cfg
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
	paths := []string{genesisName}
	for _, node := range b.network.Nodes {
		paths = append(paths, filepath.Join(node.Dir, genesisName))
	}
	for _, path := range paths {
		if err := os.WriteFile(filepath.Join(b.dir, path), append(text, '\n'), 0o644); err != nil {
			return fault.Wrap(fault.Unavailable, err, "write the genesis")
		}
	}
	return nil
}

func (b *builder) writeConfigs() error {
	for _, cfg := range b.configs {
		if err := config.Write(cfg.Dir, cfg); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) makeGateway() error {
	if b.network.Gateway == nil {
		return nil
	}
	return b.network.makeGateway()
}
