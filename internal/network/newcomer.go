// SPDX-License-Identifier: Apache-2.0

package network

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// newSuffix marks a folder or file that takes the name before it when it is whole.
const newSuffix = ".new"

// numberOf chooses a newcomer's number: the next one, or the lowest vacant one when a network on one machine has no higher.
func numberOf(m *chain.Membership) (chain.ValidatorNo, error) {
	if n := m.Size(); n < NodesMax {
		return chain.ValidatorNo(n), nil
	}
	for v := range chain.ValidatorNo(NodesMax) {
		if m.Find(v) == nil {
			return v, nil
		}
	}
	return 0, fault.New(fault.Refused, "a network on one machine has at most %d validators: remove one first", NodesMax)
}

// newcomer makes the folder of a validator that is to be admitted, or takes the one that was made before, gives it addresses
// that are free now, and puts it in its place of the description, which is not written yet.
func (n *Network) newcomer(p *pending) error {
	i := int(p.Validator)
	dir := nodeName(i)
	if err := n.moveFormer(i, dir); err != nil {
		return err
	}
	if _, err := os.Stat(n.Path(dir)); errors.Is(err, os.ErrNotExist) {
		err = n.makeNewcomer(p, dir)
		if err != nil {
			return err
		}
	}
	cfg, err := config.Load(n.Path(dir))
	if err != nil {
		return err
	}
	node := Node{ID: p.Name, Dir: dir, GRPC: cfg.GRPC, Metrics: cfg.Metrics, Validator: cfg.Validators.Listen, REST: cfg.Rest.Listen}
	if i == len(n.Nodes) {
		n.Nodes = append(n.Nodes, node)
	} else if n.Nodes[i].Left() {
		n.Nodes[i] = node
	} // else it was written before a crash
	return n.placeNewcomer(i)
}

// moveFormer moves the folder of a validator that left away from the name that the newcomer with its number takes.
func (n *Network) moveFormer(i int, dir string) error {
	if i >= len(n.Nodes) || !n.Nodes[i].Left() {
		return nil
	}
	former := &n.Nodes[i]
	if former.Dir == dir {
		former.Dir = fmt.Sprintf("%s.left-%d", dir, former.LeftEpoch)
		if err := n.Save(); err != nil {
			return err
		}
	}
	if _, err := os.Stat(n.Path(former.Dir)); !errors.Is(err, os.ErrNotExist) {
		return nil // it was moved
	}
	err := os.Rename(n.Path(dir), n.Path(former.Dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil // somebody took it away
	}
	return fault.Wrap(fault.Unavailable, err, "move the folder of the validator that had the number")
}

// makeNewcomer makes a node's folder under another name, and gives it its name when it is whole.
func (n *Network) makeNewcomer(p *pending, dir string) error {
	template, err := n.template()
	if err != nil {
		return err
	}
	made := n.Path(dir + newSuffix)
	if err := os.RemoveAll(made); err != nil {
		return fault.Wrap(fault.Unavailable, err, "remove an unfinished folder")
	}
	if err := os.MkdirAll(filepath.Join(made, "keys"), 0o755); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the validator's folder")
	}
	cfg := newcomerSettings(template, made, p.Name)
	if err := n.fillNewcomer(&cfg, p.Validator); err != nil {
		return err
	}
	if err := syncTree(made); err != nil {
		return err
	}
	if err := os.Rename(made, n.Path(dir)); err != nil {
		return fault.Wrap(fault.Unavailable, err, "name the validator's folder")
	}
	return fault.Wrap(fault.Unavailable, syncPath(n.Dir), "name the validator's folder")
}

// fillNewcomer writes what is in a node's folder: keys, certificates, genesis and settings.
func (n *Network) fillNewcomer(cfg *config.Node, no chain.ValidatorNo) error {
	authority, err := n.authority()
	if err != nil {
		return err
	}
	if err := makeValidatorKeys(cfg.Path(cfg.Keys.Validator), cfg.Path(cfg.Keys.Root)); err != nil {
		return err
	}
	if err := certifyNode(cfg, n.Chain, no, authority); err != nil {
		return err
	}
	text, err := os.ReadFile(n.Path(genesisName))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read the network's genesis")
	}
	if err := os.WriteFile(cfg.Path(cfg.Genesis), text, 0o644); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the genesis")
	}
	return config.Write(cfg.Dir, *cfg)
}

// Names of a validator's key files in a folder of their own.
const (
	ValidatorKeyName = "validator.key"
	RootKeyName      = "validator-root.key"
)

// MakeValidatorKeys makes the two keys of a validator in a folder, where they are not there yet, unencrypted.
func MakeValidatorKeys(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the folder of the keys")
	}
	return makeValidatorKeys(filepath.Join(dir, ValidatorKeyName), filepath.Join(dir, RootKeyName))
}

// makeValidatorKeys makes the two keys of a validator where they are not there yet.
func makeValidatorKeys(validatorFile, rootFile string) error {
	for _, k := range []struct {
		path   string
		scheme keys.Scheme
	}{{validatorFile, keys.Ed25519}, {rootFile, keys.MLDSA65}} {
		if _, err := os.Stat(k.path); err == nil {
			continue
		}
		s, err := keys.Generate(k.scheme, rand.Reader)
		if err != nil {
			return err
		}
		if err := keys.WriteFile(k.path, s, nil); err != nil {
			return err
		}
	}
	return nil
}

// template is the settings of a node that validates: how large and how fast a validator of this network is.
func (n *Network) template() (config.Node, error) {
	i := slices.IndexFunc(n.Nodes, func(node Node) bool { return !node.Left() })
	return config.Load(n.Path(n.Nodes[i].Dir))
}

// newcomerSettings are another node's, with the newcomer's own name, files and addresses.
func newcomerSettings(template config.Node, dir, name string) config.Node {
	cfg, own := template, config.Default()
	cfg.Dir, cfg.Name = dir, name
	cfg.Genesis, cfg.Keys, cfg.TLS = own.Genesis, own.Keys, own.TLS
	cfg.GRPC, cfg.Metrics = anyAddress, anyAddress
	if cfg.Rest.Listen != "" {
		cfg.Rest.Listen = anyAddress
	}
	cfg.Rest.Accounts = slices.Clone(cfg.Rest.Accounts)
	v := &cfg.Validators
	v.Listen, v.CA, v.Cert, v.Key = anyAddress, own.Validators.CA, own.Validators.Cert, own.Validators.Key
	v.Addresses = slices.Clone(v.Addresses)
	cfg.Sync = config.Sync{Home: cfg.Sync.Home} // another one syncs
	cfg.Index.Enabled = false                   // the gateway has it, or the node that was alone until now
	return cfg
}

// placeNewcomer gives a node addresses that are free now, and each node the list of all.
func (n *Network) placeNewcomer(i int) (err error) {
	configs, err := n.settings()
	if err != nil {
		return err
	}
	before := slices.Clone(configs)
	if !InUse(&configs[i]) {
		held := reservation{others: append(n.chosen(i), n.Sync.chosen()...)}
		defer func() { err = errors.Join(err, held.release()) }()
		if err := n.assignNode(&configs[i], i, &held, false); err != nil {
			return err
		}
	}
	n.listAddresses(configs)
	return n.replace(configs, before)
}

// writeAddresses gives each node the list of all.
func (n *Network) writeAddresses() error {
	configs, err := n.settings()
	if err != nil {
		return err
	}
	before := slices.Clone(configs)
	n.listAddresses(configs)
	return n.replace(configs, before)
}

// awaited is the address of a newcomer whose admission was begun: the ledger may have admitted it already.
func (n *Network) awaited() (no int, address string, ok bool) {
	p, err := n.readPending()
	if err != nil || p == nil || p.Kind != changeAdd {
		return 0, "", false
	}
	cfg, err := config.Load(n.Path(nodeName(int(p.Validator))))
	return int(p.Validator), reachable(cfg.Validators.Listen), err == nil
}
