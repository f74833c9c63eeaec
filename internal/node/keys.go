// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"os"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// passphraseBytesMax bounds a passphrase file.
const passphraseBytesMax = 4096

// readValidatorKeys reads the node's two keys, and checks that the genesis names them.
func (n *Node) readValidatorKeys() (header, root keys.Signer, err error) {
	passphrase, err := n.readPassphrase()
	if err != nil {
		return nil, nil, err
	}
	if header, err = keys.ReadFile(n.cfg.Path(n.cfg.Keys.Validator), passphrase); err != nil {
		return nil, nil, err
	}
	if root, err = keys.ReadFile(n.cfg.Path(n.cfg.Keys.Root), passphrase); err != nil {
		return nil, nil, err
	}
	v := n.genesis.Validators[0]
	if !isKey(header, keys.Ed25519, v.Ed25519) || !isKey(root, keys.MLDSA65, v.MLDSA65) {
		return nil, nil, fault.New(fault.Conflict, "the key files are not those of validator %q in the genesis", v.Name)
	}
	if len(n.genesis.Validators) != 1 {
		return nil, nil, fault.New(fault.Invalid, "the genesis names %d validators, this version runs one", len(n.genesis.Validators))
	}
	return header, root, nil
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
