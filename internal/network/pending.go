// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// pendingName is the file that says which change of the membership was begun here and is not finished.
const pendingName = "change.json"

// Kinds of changes.
const (
	changeAdd    = "add"
	changeRemove = "remove"
	changeRekey  = "rekey"
)

// pending is a change that was begun: whoever makes it again after a crash goes on with the same number, name and keys.
type pending struct {
	Version   int               `json:"version"`
	Kind      string            `json:"kind"`
	Validator chain.ValidatorNo `json:"validator"`
	Name      string            `json:"name"`
	LostDisk  bool              `json:"lost_disk,omitempty"`
	DataMoved bool              `json:"data_moved,omitempty"` // what is in the data folder is new
	Member    string            `json:"member,omitempty"`     // name in the ledger of whom it re-keys
	Ed25519   chain.HexBytes    `json:"ed25519,omitempty"`    // the new keys, when they are made
	MLDSA65   chain.HexBytes    `json:"ml_dsa_65,omitempty"`
}

// readPending reads what was begun, nil if nothing was.
func (n *Network) readPending() (*pending, error) {
	text, err := os.ReadFile(n.Path(pendingName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the change that was begun")
	}
	p := &pending{}
	if err := json.Unmarshal(text, p); err != nil || p.Version != fileVersion {
		return nil, fault.New(fault.Invalid, "%s: version %d, this program knows version %d (%v)", n.Path(pendingName), p.Version, fileVersion, err)
	}
	return p, nil
}

func (n *Network) writePending(p *pending) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the change")
	}
	return fault.Wrap(fault.Unavailable, replaceFile(n.Path(pendingName), append(text, '\n')), "write the change that is begun")
}

func (n *Network) removePending() error {
	err := os.Remove(n.Path(pendingName))
	if err == nil {
		err = syncPath(n.Dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "remove the change that is finished")
}

// begin goes on with the change that was begun, if it is the same, or begins this one. Another one is Conflict.
func (n *Network) begin(p *pending) (*pending, error) {
	begun, err := n.readPending()
	if err != nil {
		return nil, err
	}
	if begun == nil {
		p.Version = fileVersion
		return p, n.writePending(p)
	}
	same := begun.Kind == p.Kind && (p.Kind == changeAdd && (p.Name == "" || p.Name == begun.Name) || p.Kind != changeAdd && p.Validator == begun.Validator)
	if !same || p.LostDisk && !begun.LostDisk {
		return nil, fault.New(fault.Conflict, "another change was begun here and is not finished: run `%s` first; to give it up, if no validator shows a new epoch, remove %s", begun.command(n), n.Path(pendingName))
	}
	return begun, nil
}

// removePendingOf removes a change that turned out to be finished.
func (n *Network) removePendingOf(kind string, i int) error {
	p, err := n.readPending()
	if err != nil || p == nil || p.Kind != kind || int(p.Validator) != i {
		return err
	}
	return n.removePending()
}

// command is the command line that goes on with a change.
func (p *pending) command(n *Network) string {
	switch p.Kind {
	case changeAdd:
		return "aurigraph validators add --network " + n.Dir
	case changeRemove:
		return "aurigraph validators remove " + p.Name + " --network " + n.Dir
	}
	line := "aurigraph validators rekey " + p.Name + " --network " + n.Dir
	if p.LostDisk {
		line += " --lost-disk"
	}
	return line
}
