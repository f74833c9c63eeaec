// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// oldSuffix marks a file that a new one took the place of.
const oldSuffix = ".old"

// Rekey gives a validator new keys and a new certificate under the same number. With lostDisk its data folder is moved aside
// first, and it takes a peer's state.
func (c *Changer) Rekey(ctx context.Context, id string, lostDisk bool) (*Changed, error) {
	present, err := c.present(ctx)
	if err != nil {
		return nil, err
	}
	p, err := c.beginRekey(present, id, lostDisk)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(c.network.Path(c.network.Nodes[p.Validator].Dir))
	if err != nil {
		return nil, err
	}
	if err := c.makeKeysBeside(&cfg, p); err != nil {
		return nil, err
	}
	if p.LostDisk {
		if err := c.setDataAside(ctx, &cfg, p, present.Current().Membership()); err != nil {
			return nil, err
		}
	}
	done, err := c.enact(ctx, p, &chain.ChangeValidator{Validator: p.Validator, Name: p.Member, Ed25519: p.Ed25519, MLDSA65: p.MLDSA65})
	if err != nil {
		return nil, err
	}
	return c.takeNewKeys(ctx, &cfg, done)
}

func (c *Changer) beginRekey(present *epoch.History, id string, lostDisk bool) (*pending, error) {
	n := c.network
	i, err := n.find(id)
	if err != nil {
		return nil, err
	}
	m := present.Current().Membership()
	member := m.Find(chain.ValidatorNo(i))
	if member == nil || n.Nodes[i].Left() {
		return nil, fault.New(fault.Refused, "validator %d (%s) is no member in epoch %d: admit one anew with `aurigraph validators add`", i, n.Nodes[i].ID, m.Epoch)
	}
	if lostDisk && len(m.Members)-1 < m.Quorum() {
		return nil, fault.New(fault.Refused, "the others, %d of %d, are no quorum (%d) without validator %d (%s): a network of four or more can give one that lost its disk new keys",
			len(m.Members)-1, len(m.Members), m.Quorum(), i, n.Nodes[i].ID)
	}
	return n.begin(&pending{Kind: changeRekey, Validator: chain.ValidatorNo(i), Name: n.Nodes[i].ID, Member: member.Name, LostDisk: lostDisk})
}

// keyFiles are the files of a validator that new keys replace.
func keyFiles(cfg *config.Node) []string {
	return []string{cfg.Path(cfg.Keys.Validator), cfg.Path(cfg.Keys.Root), cfg.Path(cfg.Validators.Key), cfg.Path(cfg.Validators.Cert)}
}

// makeKeysBeside makes new keys beside those in use and notes them. What an unfinished attempt left is made again.
func (c *Changer) makeKeysBeside(cfg *config.Node, p *pending) error {
	if len(p.Ed25519) > 0 {
		return nil
	}
	authority, err := c.network.authority()
	if err != nil {
		return err
	}
	files := keyFiles(cfg)
	for _, f := range files {
		if err := os.Remove(f + newSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.Wrap(fault.Unavailable, err, "remove an unfinished key")
		}
	}
	if err := makeValidatorKeys(files[0]+newSuffix, files[1]+newSuffix); err != nil {
		return err
	}
	if err := issuePeer(files[3]+newSuffix, files[2]+newSuffix, c.network.Chain, p.Validator, authority); err != nil {
		return err
	}
	for _, f := range files { // not the node's data, which is in use
		if err := errors.Join(syncPath(f+newSuffix), syncPath(filepath.Dir(f))); err != nil {
			return fault.Wrap(fault.Unavailable, err, "make the new keys durable")
		}
	}
	change, err := ChangeOf(p.Validator, p.Member, files[0]+newSuffix, files[1]+newSuffix)
	if err != nil {
		return err
	}
	p.Ed25519, p.MLDSA65 = change.Ed25519, change.MLDSA65
	c.say("validator %d (%s) has new keys beside those in use, in %s", p.Validator, p.Name, filepath.Dir(files[0]))
	return c.network.writePending(p)
}

// setDataAside moves the data folder of a validator away, once.
func (c *Changer) setDataAside(ctx context.Context, cfg *config.Node, p *pending, m *chain.Membership) error {
	if p.DataMoved {
		return nil
	}
	if err := c.awaitOthers(ctx, p.Validator, m); err != nil {
		return err
	}
	if err := c.hold(ctx, int(p.Validator), cfg); err != nil {
		return err
	}
	data := filepath.Clean(cfg.Data(""))
	aside := freeName(fmt.Sprintf("%s.lost-%d", data, m.Epoch))
	switch err := os.Rename(data, aside); {
	case err == nil:
		c.say("what is left of its data is moved to %s", aside)
	case !errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.Unavailable, err, "move the data folder aside")
	}
	p.DataMoved = true
	return c.network.writePending(p)
}

// freeName is a path at which nothing is: the one given, or that with a number behind it.
func freeName(path string) string {
	for i, name := 2, path; ; i++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s%d", path, i)
	}
}

// hold has a node stopped, and kept from starting until it is released.
func (c *Changer) hold(ctx context.Context, i int, cfg *config.Node) error {
	n := c.network
	if !n.Nodes[i].Held {
		n.Nodes[i].Held = true
		if err := n.Save(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, min(c.wait, 2*stopWaitMax))
	defer cancel()
	for {
		run, err := ReadRun(n.Dir)
		heeded := err != nil || run.PID == 0 || i < len(run.Nodes) && run.Nodes[i].Held
		if heeded && !InUse(cfg) {
			return nil
		}
		if !again(ctx) {
			return fault.New(fault.Conflict, "validator %d (%s) still runs: stop it, and run the same command again", i, n.Nodes[i].ID)
		}
	}
}

// takeNewKeys puts the new keys in the place of the old ones while the node is stopped, and lets it start.
func (c *Changer) takeNewKeys(ctx context.Context, cfg *config.Node, done *Changed) (*Changed, error) {
	n, i := c.network, int(done.Validator)
	if n.Nodes[i].JoinEpoch != done.Epoch || n.Nodes[i].Held {
		if err := c.hold(ctx, i, cfg); err != nil {
			return nil, err
		}
		for _, f := range keyFiles(cfg) {
			if err := swapIn(f); err != nil {
				return nil, err
			}
		}
		if err := c.introduce(ctx, i); err != nil {
			return nil, err
		}
		n.Nodes[i].JoinEpoch, n.Nodes[i].Held = done.Epoch, false
		if err := n.Save(); err != nil {
			return nil, err
		}
	}
	for _, f := range keyFiles(cfg) {
		if _, err := os.Lstat(f + oldSuffix); err == nil {
			done.OldFiles = append(done.OldFiles, f+oldSuffix)
		}
	}
	return c.settle(ctx, done)
}

// swapIn gives a new file its place. The one that was there stays, under a name of its own, readable by its owner alone.
func swapIn(file string) error {
	if _, err := os.Lstat(file + newSuffix); errors.Is(err, fs.ErrNotExist) {
		return nil // it is in its place
	}
	err := os.Chmod(file, 0o600)
	if err == nil {
		err = os.Rename(file, freeName(file+oldSuffix))
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) { // it was moved before a crash
		err = os.Rename(file+newSuffix, file)
	}
	if err == nil {
		err = syncPath(filepath.Dir(file))
	}
	return fault.Wrap(fault.Unavailable, err, "put a new key in its place")
}
