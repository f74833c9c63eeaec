// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/store"
)

const (
	governor    chain.AccountNo = 1 // the house account of governance
	governorKey chain.KeyNo     = 1
)

// newClusterOf is n folders, of which the first few are the validators of the genesis.
func newClusterOf(t testing.TB, n, validators int) *cluster {
	t.Helper()
	c := newCluster(t, n)
	for _, f := range c.folders {
		f.genesis.Validators = f.genesis.Validators[:validators:validators]
		f.writeGenesis()
	}
	return c
}

// keysOf are a folder's public keys.
func (f *folder) keysOf() (header, root keys.Signer) {
	f.t.Helper()
	header, err := keys.ReadFile(f.cfg.Path(f.cfg.Keys.Validator), nil)
	must(f.t, err)
	root, err = keys.ReadFile(f.cfg.Path(f.cfg.Keys.Root), nil)
	must(f.t, err)
	return header, root
}

// admission is a change that admits or re-keys a folder's validator.
func (f *folder) admission(no chain.ValidatorNo, name string) *chain.ChangeValidator {
	header, root := f.keysOf()
	return &chain.ChangeValidator{Validator: no, Name: name, Ed25519: header.Public().Bytes()[1:], MLDSA65: root.Public().Bytes()[1:]}
}

// change submits a change of the membership, approved by some folders' validators, and opens all running nodes again.
func (c *cluster) change(i int, ch *chain.ChangeValidator, approvers ...int) {
	c.t.Helper()
	var running []int
	for k, n := range c.nodes {
		if n != nil {
			running = append(running, k)
			ch.Epoch = max(ch.Epoch, n.epoch)
		}
	}
	message := keys.ChangeMessage(testChain, codec.ChangeHash(ch))
	for _, a := range approvers {
		header, _ := c.folders[a].keysOf()
		sig, err := header.Sign(message)
		must(c.t, err)
		ch.Approvals = append(ch.Approvals, chain.Approval{Validator: c.nodes[a].self, Signature: sig})
	}
	slices.SortFunc(ch.Approvals, func(a, b chain.Approval) int { return int(a.Validator) - int(b.Validator) })
	c.governed++
	tx := chain.Tx{Chain: testChain, Sender: governor, Key: governorKey, Nonce: c.governed, ValidUntil: 90_000, Body: ch}
	sig, err := signer(c.t, keys.Ed25519, 3).Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
	must(c.t, err)
	tickets := c.nodes[i].intake.SubmitTxs(context.Background(), [][]byte{codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig})})
	must(c.t, tickets[0].Refused())
	var group errgroup.Group
	for _, k := range running {
		group.Go(func() error { return c.goesOn(k) })
	}
	must(c.t, group.Wait())
}

// goesOn waits until a node's epoch ends and opens it again at once, as its process does: the others may still need what it has.
// A validator that left is not opened any more.
func (c *cluster) goesOn(i int) error {
	n := c.nodes[i]
	c.nodes[i] = nil
	select {
	case err := <-n.ended:
		if !errors.Is(err, ErrRestart) {
			return fmt.Errorf("node %d ended with %w\n%s", i, err, n.log)
		}
	case <-time.After(20 * time.Second):
		return fmt.Errorf("the epoch does not end for node %d\n%s", i, n.log)
	}
	if err := n.Close(); err != nil {
		return err
	}
	if c.between != nil {
		c.between(i)
	}
	err := c.join(i)
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// join opens a node as often as it wants, until it serves: it may have to learn of later epochs and to take a peer's state.
func (c *cluster) join(i int) error {
	for again := 0; ; again++ {
		n := &running{folder: c.folders[i], log: &logBook{}, ended: make(chan error, 1)}
		var err error
		if n.Node, err = Open(context.Background(), n.folder.cfg, newLogger(n.log)); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		n.stop = cancel
		go func() {
			defer close(n.ended)
			n.ended <- n.Run(ctx)
		}()
		c.t.Cleanup(func() {
			n.stop()
			<-n.ended
			_ = n.Close()
		})
		select {
		case <-n.Ready():
			c.nodes[i] = n
			return nil
		case err := <-n.ended:
			if !errors.Is(err, ErrRestart) || again == 4 {
				return fmt.Errorf("node %d ended with %w\n%s", i, err, n.log)
			}
			if err := n.Close(); err != nil {
				return err
			}
		case <-time.After(20 * time.Second):
			return fmt.Errorf("node %d does not serve\n%s", i, n.log)
		}
	}
}

// tellHandovers gives a folder the file from which a newcomer learns who validates.
func (c *cluster) tellHandovers(from, to int) {
	c.t.Helper()
	rows, err := store.ReadHandovers(c.nodes[from].store, chain.FirstHandover)
	must(c.t, err)
	raw := codec.AppendHandovers(nil, rows...)
	must(c.t, os.MkdirAll(c.folders[to].cfg.Data(""), 0o755))
	must(c.t, os.WriteFile(c.folders[to].cfg.Data(handoversName), raw, 0o600))
}

func TestMembershipChanges(t *testing.T) {
	c := newClusterOf(t, 5, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 20)
	c.change(1, c.folders[4].admission(4, "v4"), 0, 1, 2)
	c.pay(2, 20)
	c.tellHandovers(0, 4)
	must(t, c.join(4))
	c.pay(4, 20)
	c.agreeFrom(c.nodes[4].adopted)
	c.halt(0) // four of five must vote
	c.pay(4, 20)
	c.change(4, &chain.ChangeValidator{Validator: 1}, 1, 2, 3, 4)
	if c.nodes[1] != nil {
		t.Fatal("the removed validator goes on")
	}
	c.folders[1].refuses(fault.Conflict, "left the network")
	c.pay(3, 20)
	must(t, c.join(0)) // it was away when the epoch ended
	c.pay(0, 20)
	c.halt(2) // three of four must vote
	c.pay(0, 20)
	for _, i := range []int{0, 3, 4} {
		if e := c.nodes[i].epoch; e != 3 {
			t.Errorf("node %d is in epoch %d", i, e)
		}
		c.halt(i)
	}
	c.start(0, 2, 3, 4)
	for i, n := range c.nodes {
		if n == nil {
			continue
		}
		if got := n.paidAtLast(c.nonces); got != c.nonces {
			t.Errorf("node %d: %d payments, made were %d", i, got, c.nonces)
		}
	}
}

// TestEpochEndsAgain loses power after the last block of an epoch was published and before the checkpoint of its state was
// durable: the node executes it again from the old epoch's log.
func TestEpochEndsAgain(t *testing.T) {
	c := newClusterOf(t, 5, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 20)
	var lost atomic.Int32
	c.between = func(i int) {
		found, _ := checkpoint.Find(c.folders[i].cfg.Data("checkpoints"), checkpoint.OS{}, testChain)
		if len(found) == 0 {
			return // it was so late that it learned of the next epoch first, and takes a peer's state
		}
		must(t, os.Remove(filepath.Join(c.folders[i].cfg.Data("checkpoints"), found[0].Name)))
		lost.Add(1)
	}
	c.change(0, c.folders[4].admission(4, "v4"), 0, 1, 2)
	if lost.Load() == 0 {
		t.Fatal("no checkpoint was lost")
	}
	c.pay(1, 20)
	for i := range 4 {
		if n := c.nodes[i]; n.epoch != 2 || n.paidAtLast(c.nonces) != c.nonces {
			t.Errorf("node %d: epoch %d, %d payments of %d", i, n.epoch, n.paid(), c.nonces)
		}
	}
}

// TestRekey gives a validator that keeps its data new keys: it begins a new lane, and goes on over a restart.
func TestRekey(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	for i := range c.nodes {
		c.pay(i, 10)
	}
	f := c.folders[3]
	header, root := signer(t, keys.Ed25519, 90), signer(t, keys.MLDSA65, 91)
	c.between = func(i int) {
		if i == 3 {
			for path, k := range map[string]keys.Signer{f.cfg.Keys.Validator: header, f.cfg.Keys.Root: root} {
				must(t, os.Remove(f.cfg.Path(path)))
				must(t, keys.WriteFile(f.cfg.Path(path), k, nil))
			}
		}
	}
	c.change(0, &chain.ChangeValidator{Validator: 3, Name: "anew", Ed25519: header.Public().Bytes()[1:], MLDSA65: root.Public().Bytes()[1:]}, 0, 1, 2)
	c.pay(3, 20)
	c.halt(2)
	c.pay(3, 20) // its vote counts
	c.halt(3)
	c.start(2)
	c.start(3)
	c.pay(3, 20)
	for i, n := range c.nodes {
		if epoch, sequence, _ := n.state.Ledger.Lane(3); n.epoch != 2 || epoch != 2 || i == 3 && sequence == 0 {
			t.Errorf("node %d: epoch %d, lane 3 of epoch %d began with %d entries", i, n.epoch, epoch, sequence)
		}
		if got := n.paid(); got != c.nonces {
			t.Errorf("node %d: %d payments, made were %d", i, got, c.nonces)
		}
	}
}
