// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"os"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// passphraseBytesMax bounds a passphrase file.
const passphraseBytesMax = 4096

// readValidatorKeys reads the node's two keys.
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
	return nil
}

// isMember reports whether the node's keys are a member's.
func (n *Node) isMember(m *chain.Member) bool {
	return isKey(n.header, keys.Ed25519, m.Ed25519) && isKey(n.root, keys.MLDSA65, m.MLDSA65)
}

// several reports whether there are other validators.
func (n *Node) several() bool { return len(n.newest().Membership().Members) > 1 }

// checkNetwork compares the settings with the newest membership.
func (n *Node) checkNetwork() error {
	members := n.newest().Membership().Members
	if len(members) > 1 && n.cfg.Order.Engine == config.EngineSolo {
		return fault.New(fault.Invalid, "order.engine: solo orders for one validator, there are %d: use raft", len(members))
	}
	for _, m := range members {
		if len(members) > 1 && n.address(m.No) == "" {
			return fault.New(fault.Invalid, "validators.addresses of the settings has no address of validator %d (%s): give one for each, by number", m.No, m.Name)
		}
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
