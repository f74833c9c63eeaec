// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// passphraseBytesMax bounds a passphrase file.
const passphraseBytesMax = 4096

// readValidatorKeys reads the node's two keys, and finds the validator in the genesis whose they are.
func (n *Node) readValidatorKeys(context.Context) error {
	passphrase, err := n.readPassphrase()
	if err != nil {
		return err
	}
	if n.header, err = keys.ReadFile(n.cfg.Path(n.cfg.Keys.Validator), passphrase); err != nil {
		return err
	}
	if n.root, err = keys.ReadFile(n.cfg.Path(n.cfg.Keys.Root), passphrase); err != nil {
		return err
	}
	names := make([]string, len(n.genesis.Validators))
	for i, v := range n.genesis.Validators {
		names[i] = strconv.Quote(v.Name)
		if isKey(n.header, keys.Ed25519, v.Ed25519) && isKey(n.root, keys.MLDSA65, v.MLDSA65) {
			n.self = chain.ValidatorNo(i)
			return n.checkNetwork()
		}
	}
	return fault.New(fault.Conflict, "the key files are not those of validator %s in the genesis", strings.Join(names, ", "))
}

// several reports whether there are other validators.
func (n *Node) several() bool { return len(n.genesis.Validators) > 1 }

// checkNetwork compares the settings with the genesis.
func (n *Node) checkNetwork() error {
	members, addresses := len(n.genesis.Validators), len(n.cfg.Validators.Addresses)
	if members > 1 && addresses != members {
		return fault.New(fault.Invalid, "the genesis names %d validators, validators.addresses of the settings %d: give one address for each", members, addresses)
	}
	if members > 1 && n.cfg.Order.Engine == config.EngineSolo {
		return fault.New(fault.Invalid, "order.engine: solo orders for one validator, the genesis names %d: use raft", members)
	}
	return nil
}

func isKey(s keys.Signer, scheme keys.Scheme, want chain.HexBytes) bool {
	public := s.Public()
	return public.Scheme() == scheme && bytes.Equal(public.Bytes()[1:], want)
}

func (n *Node) readPassphrase() ([]byte, error) {
	if n.cfg.Keys.Passphrase == "" {
		return nil, nil
	}
	text, err := os.ReadFile(n.cfg.Path(n.cfg.Keys.Passphrase))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the passphrase")
	}
	if len(text) > passphraseBytesMax {
		return nil, fault.New(fault.Invalid, "the passphrase file is longer than %d bytes", passphraseBytesMax)
	}
	return bytes.TrimRight(text, "\r\n"), nil
}
