// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// fakeLedger is a network that changes its membership as the real one does, and signs what it says with the validators' keys.
type fakeLedger struct {
	t         *testing.T
	network   *Network
	members   *chain.Membership
	signers   map[chain.ValidatorNo][2]keys.Signer
	handovers []*chain.ProvedHandover
	height    chain.Height
	calls     int
	failAt    int  // the call that fails; 0: none
	lost      bool // the answer to a change is lost once it was made
	refuse    chain.Outcome
	silent    []chain.ValidatorNo // who does not serve
}

func newLedger(t *testing.T, n *Network) *fakeLedger {
	t.Helper()
	h, err := n.History(nil)
	must(t, err)
	l := &fakeLedger{t: t, network: n, members: h.Current().Membership(), signers: map[chain.ValidatorNo][2]keys.Signer{}}
	for _, m := range l.members.Members {
		l.learn(m.No)
	}
	return l
}

// learn takes a validator's keys from its folder.
func (l *fakeLedger) learn(v chain.ValidatorNo) {
	l.t.Helper()
	dir := l.network.Path(nodeName(int(v)))
	suffix := ""
	if _, err := os.Stat(filepath.Join(dir, "keys/validator.key.new")); err == nil {
		suffix = newSuffix
	}
	var pair [2]keys.Signer
	for i, name := range []string{"validator.key", "validator-root.key"} {
		var err error
		pair[i], err = keys.ReadFile(filepath.Join(dir, "keys", name+suffix), nil)
		must(l.t, err)
	}
	l.signers[v] = pair
}

var errCut = errors.New("the power is cut")

func (l *fakeLedger) call() error {
	if l.calls++; l.calls == l.failAt {
		return errCut
	}
	return nil
}

func (l *fakeLedger) Handovers(context.Context) ([]*chain.ProvedHandover, error) {
	return l.handovers, l.call()
}

func (l *fakeLedger) Serving(_ context.Context, e chain.Epoch) (list []chain.ValidatorNo) {
	for _, m := range l.members.Members {
		if e == l.members.Epoch && !slices.Contains(l.silent, m.No) {
			list = append(list, m.No)
		}
	}
	return list
}

func (l *fakeLedger) Change(_ context.Context, c *chain.ChangeValidator) error {
	if err := l.call(); err != nil {
		return err
	}
	o := l.members.CheckChange(c)
	if o == chain.OK {
		o = l.refuse
	}
	if o == chain.OK && epoch.VerifyApprovals(l.members, keys.ChangeMessage(l.network.Chain, codec.ChangeHash(c)), c.Approvals) != nil {
		o = chain.NotApproved
	}
	if o != chain.OK {
		return fault.Reasoned(fault.Refused, o.String(), "refused")
	}
	l.make(c)
	if l.lost {
		return fault.New(fault.Timeout, "lost")
	}
	return nil
}

// make ends the epoch.
func (l *fakeLedger) make(c *chain.ChangeValidator) {
	l.t.Helper()
	next := l.members.Changed(c)
	l.height += 10
	h := &chain.ExecutedHeader{Chain: l.network.Chain, Epoch: l.members.Epoch, Height: l.height, RootAt: l.height, StateRoot: chain.Hash{1}, Next: codec.MembershipHash(next)}
	p := &chain.ProvedHandover{
		Handover:    chain.Handover{Chain: h.Chain, Height: h.Height, Header: codec.HeaderHash(h), Root: h.StateRoot, Next: *next},
		HeaderBytes: codec.AppendHeader(nil, h), Certificate: &chain.Certificate{Epoch: h.Epoch, Height: h.Height, Header: codec.HeaderHash(h)},
	}
	for _, m := range l.members.Members[:l.members.Quorum()] {
		header, err := l.signers[m.No][0].Sign(keys.HeaderMessage(h.Chain, p.Header))
		must(l.t, err)
		root, err := l.signers[m.No][1].Sign(keys.RootMessage(h.Chain, h.Epoch, h.RootAt, h.StateRoot))
		must(l.t, err)
		p.Certificate.Signatures = append(p.Certificate.Signatures, chain.ValidatorSignature{Validator: m.No, Header: header, Root: root})
	}
	l.handovers, l.members = append(l.handovers, p), next
	if !c.Removes() {
		l.learn(c.Validator)
	}
}

// changer reads the network's description anew, as each command does.
func (l *fakeLedger) changer() *Changer {
	l.t.Helper()
	n, err := Open(l.network.Dir)
	must(l.t, err)
	l.network = n
	c := NewChanger(n, l, l.t.Logf)
	c.wait, c.grace = 50*time.Millisecond, 0
	return c
}

// check compares the folder with the membership: who is in the description, has its keys in its folder, and is on everybody's list.
func (l *fakeLedger) check() {
	l.t.Helper()
	n, err := Open(l.network.Dir)
	must(l.t, err)
	if n.Members() != len(l.members.Members) || len(n.Validators()) != n.Members() {
		l.t.Errorf("%d validators are described, there are %d", n.Members(), len(l.members.Members))
	}
	if edge, err := config.LoadGateway(n.Path(n.Gateway.Dir)); err != nil || !slices.Equal(edge.Validators, n.Validators()) {
		l.t.Errorf("the gateway stands before %v, the validators are at %v (%v)", edge.Validators, n.Validators(), err)
	}
	if p, err := n.readPending(); err != nil || p != nil {
		l.t.Errorf("a change is still begun: %+v, %v", p, err)
	}
	for _, m := range l.members.Members {
		node := n.Nodes[m.No]
		cfg, err := config.Load(n.Path(node.Dir))
		must(l.t, err)
		change, err := ChangeOf(m.No, m.Name, cfg.Path(cfg.Keys.Validator), cfg.Path(cfg.Keys.Root))
		must(l.t, err)
		if !Made(l.members, change) || node.Left() || node.Held {
			l.t.Errorf("validator %d has other keys in its folder, or is %+v", m.No, node)
		}
		if joined := node.JoinEpoch; joined != m.JoinEpoch && (joined != 0 || m.JoinEpoch != 1) {
			l.t.Errorf("validator %d joined in epoch %d, the description says %d", m.No, m.JoinEpoch, joined)
		}
		for v := range chain.ValidatorNo(len(n.Nodes)) {
			want := ""
			if l.members.Find(v) != nil {
				want = n.Nodes[v].Validator
			}
			if int(v) >= len(cfg.Validators.Addresses) || cfg.Validators.Addresses[v] != want {
				l.t.Errorf("validator %d knows %v, validator %d is at %q", m.No, cfg.Validators.Addresses, v, want)
			}
		}
	}
}

func (l *fakeLedger) checkIntroduced(dir string) {
	l.t.Helper()
	want := filepath.Join(l.t.TempDir(), "handovers")
	must(l.t, WriteHandovers(want, l.handovers))
	a, errA := os.ReadFile(want)
	b, errB := os.ReadFile(filepath.Join(dir, "data/handovers"))
	if errA != nil || errB != nil || string(a) != string(b) {
		l.t.Errorf("the node knows %d bytes of handovers, there are %d (%v, %v)", len(b), len(a), errA, errB)
	}
}

// A network grows, loses a validator, takes its number again when the numbers are used up, and keeps the index.
func TestChangeMembership(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	l := newLedger(t, n)
	added, err := l.changer().Add(t.Context(), "")
	must(t, err)
	if added.Validator != 4 || added.ID != "node4" || added.Epoch != 2 || added.Height != 10 || added.Members != 5 || added.Quorum != 4 || added.Serving != 5 || added.Dir != n.Path("node4") {
		t.Errorf("%+v", added)
	}
	l.check()
	l.checkIntroduced(added.Dir)
	removed, err := l.changer().Remove(t.Context(), "0")
	must(t, err)
	if removed.ID != "node0" || removed.Epoch != 3 || removed.Members != 4 || removed.Quorum != 3 {
		t.Errorf("%+v", removed)
	}
	l.check()
	again, err := l.changer().Remove(t.Context(), "node0")
	if err != nil || !again.Already || again.Epoch != 3 {
		t.Errorf("%+v, %v", again, err)
	}
	rekeyed, err := l.changer().Rekey(t.Context(), "node2", false)
	must(t, err)
	if rekeyed.Epoch != 4 || len(rekeyed.OldFiles) != 4 {
		t.Errorf("%+v", rekeyed)
	}
	for _, f := range rekeyed.OldFiles {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	l.check()
	if _, err := l.changer().Remove(t.Context(), "node4"); err != nil {
		t.Fatal(err)
	}
	former, err := keys.ReadFile(n.Path("node4/keys/validator.key"), nil)
	must(t, err)
	added, err = l.changer().Add(t.Context(), "again")
	must(t, err)
	if added.Validator != 4 || added.ID != "again" || added.Epoch != 6 {
		t.Errorf("%+v", added)
	}
	l.check()
	if kept, err := keys.ReadFile(n.Path("node4.left-5/keys/validator.key"), nil); err != nil || kept.Public() != former.Public() {
		t.Error("the folder of the one that left is gone", err)
	}
	if _, err := Create(n.Dir, Options{Nodes: 4}); err != nil {
		t.Error("it does not open as the network of four that it is", err)
	}
	l.check()
}

// A validator whose disk is lost takes new keys, keeps its number, and its data is kept aside.
func TestRekeyLostDisk(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	l := newLedger(t, n)
	must(t, os.MkdirAll(n.Path("node3/data"), 0o755))
	must(t, os.WriteFile(n.Path("node3/data/broken"), nil, 0o644))
	must(t, os.Remove(n.Path("node3/keys/validator.key"))) // it lay on that disk
	done, err := l.changer().Rekey(t.Context(), "3", true)
	must(t, err)
	if _, err := os.Stat(n.Path("node3/data.lost-1/broken")); err != nil || done.Validator != 3 || done.Epoch != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	l.check()
	l.checkIntroduced(n.Path("node3"))
	entries, err := os.ReadDir(n.Path("node3/data"))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// A validator is not stopped for new keys while the others cannot go on without it.
func TestRekeyWaitsForOthers(t *testing.T) {
	l := newLedger(t, several(t, Options{Nodes: 4}))
	l.silent = []chain.ValidatorNo{0}
	if _, err := l.changer().Rekey(t.Context(), "3", true); !fault.Is(err, fault.Unavailable) || !contains(err, "it is not stopped") {
		t.Error(err)
	}
	if n, err := Open(l.network.Dir); err != nil || n.Nodes[3].Held || len(l.handovers) > 0 {
		t.Error("it was stopped", err)
	}
	l.silent = []chain.ValidatorNo{3}
	if _, err := l.changer().Rekey(t.Context(), "3", true); err != nil {
		t.Error(err)
	}
	l.check()
}

// Keys are not touched while the validator runs, or while who runs it has not heard that it must not.
func TestRekeyHolds(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	l := newLedger(t, n)
	run := n.NewRunFile()
	must(t, run.Set(3, os.Getpid(), true))
	before, err := keys.ReadFile(n.Path("node3/keys/validator.key"), nil)
	must(t, err)
	refusedBy := func() {
		t.Helper()
		if _, err := l.changer().Rekey(t.Context(), "3", false); !fault.Is(err, fault.Conflict) || !contains(err, "validator 3 (node3) still runs") {
			t.Error(err)
		}
		if k, err := keys.ReadFile(n.Path("node3/keys/validator.key"), nil); err != nil || k.Public() != before.Public() {
			t.Error("its keys were changed", err)
		}
	}
	refusedBy()
	must(t, run.Hold(3))
	must(t, os.MkdirAll(n.Path("node3/data"), 0o755))
	lock, err := os.Create(n.Path("node3/data/LOCK"))
	must(t, err)
	must(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	refusedBy()
	must(t, lock.Close())
	if done, err := l.changer().Rekey(t.Context(), "3", false); err != nil || done.Epoch != 2 || len(l.handovers) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	l.check()
	must(t, run.Remove())
}

// A new file takes its place whatever a crash left, and the old one is kept each time.
func TestSwapIn(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "k")
	write := func(path, text string) { must(t, os.WriteFile(path, []byte(text), 0o644)) }
	is := func(path, want string) {
		t.Helper()
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s holds %q, must hold %q (%v)", path, text, want, err)
		}
	}
	write(file, "1")
	must(t, swapIn(file)) // nothing is new
	is(file, "1")
	write(file+newSuffix, "2")
	must(t, swapIn(file))
	is(file, "2")
	is(file+oldSuffix, "1")
	write(file+newSuffix, "3")
	must(t, os.Rename(file, file+oldSuffix+"2")) // and the power was cut
	must(t, swapIn(file))
	is(file, "3")
	write(file+newSuffix, "4")
	must(t, swapIn(file))
	is(file+oldSuffix+"3", "3")
	if err := swapIn(filepath.Join(dir, "none", "k")); err != nil {
		t.Error("nothing is new", err)
	}
}

// Whatever call a crash comes before, the same command ends what it began, once.
func TestChangeAfterCrash(t *testing.T) {
	for name, change := range map[string]func(*Changer) (*Changed, error){
		"add":    func(c *Changer) (*Changed, error) { return c.Add(t.Context(), "new") },
		"remove": func(c *Changer) (*Changed, error) { return c.Remove(t.Context(), "node1") },
		"rekey":  func(c *Changer) (*Changed, error) { return c.Rekey(t.Context(), "node1", false) },
		"lost":   func(c *Changer) (*Changed, error) { return c.Rekey(t.Context(), "node1", true) },
	} {
		for failAt := 1; ; failAt++ {
			l := newLedger(t, several(t, Options{Nodes: 4}))
			l.failAt, l.lost = failAt, failAt%2 == 0
			if _, err := change(l.changer()); err == nil {
				if failAt < 4 {
					t.Errorf("%s: only %d calls", name, failAt-1)
				}
				break
			} else if !errors.Is(err, errCut) && !fault.Is(err, fault.Timeout) {
				t.Fatalf("%s: %v", name, err)
			}
			// `up` may open the folder meanwhile, as it was left.
			if _, err := Create(l.network.Dir, Options{}); err != nil {
				t.Fatalf("%s cut before call %d: the network does not open: %v", name, failAt, err)
			}
			done, err := change(l.changer())
			if err != nil || done.Epoch != 2 || len(l.handovers) != 1 {
				t.Fatalf("%s cut before call %d: %+v, %d changes, %v", name, failAt, done, len(l.handovers), err)
			}
			l.check()
		}
	}
}

// While the ledger may have admitted a newcomer that is not in the description, every node has its address.
func TestAwaitedNewcomer(t *testing.T) {
	l := newLedger(t, several(t, Options{Nodes: 4}))
	l.failAt = 5 // after the change
	if _, err := l.changer().Add(t.Context(), ""); !errors.Is(err, errCut) || len(l.handovers) != 1 {
		t.Fatal(err, len(l.handovers))
	}
	n, err := Create(l.network.Dir, Options{})
	must(t, err)
	for _, c := range configsOf(t, n) {
		if len(n.Nodes) != 4 || len(c.Validators.Addresses) != 5 || c.Validators.Addresses[4] == "" {
			t.Errorf("%d nodes, %s knows %v", len(n.Nodes), c.Name, c.Validators.Addresses)
		}
	}
}

func TestChangeRefuses(t *testing.T) {
	alone := several(t, Options{Nodes: 1})
	if _, err := newLedger(t, alone).changer().Add(t.Context(), ""); !fault.Is(err, fault.Refused) || !contains(err, "orders alone") {
		t.Error(err)
	}
	l := newLedger(t, several(t, Options{Nodes: 2}))
	for _, c := range []struct {
		change func(*Changer) error
		kind   fault.Kind
		says   string
	}{
		{func(c *Changer) error { _, err := c.Remove(t.Context(), "node9"); return err }, fault.NotFound, `no validator "node9", but [node0 node1]`},
		{func(c *Changer) error { _, err := c.Rekey(t.Context(), "2", false); return err }, fault.NotFound, "no validator"},
		{func(c *Changer) error { _, err := c.Rekey(t.Context(), "1", true); return err }, fault.Refused, "no quorum"},
		{func(c *Changer) error { _, err := c.Add(t.Context(), "node1"); return err }, fault.Conflict, "choose another name"},
		{func(c *Changer) error { _, err := c.Add(t.Context(), strings.Repeat("x", 65)); return err }, fault.Invalid, "at most 64"},
	} {
		if err := c.change(l.changer()); !fault.Is(err, c.kind) || !contains(err, c.says) {
			t.Errorf("%v, must say %q", err, c.says)
		}
	}
	if p, err := l.network.readPending(); err != nil || p != nil {
		t.Error("a change that was refused is begun", p, err)
	}
	l.refuse = chain.NotAuthorized
	if _, err := l.changer().Add(t.Context(), ""); fault.ReasonOf(err) != chain.NotAuthorized.String() {
		t.Error(err)
	}
	if p, err := l.network.readPending(); err != nil || p != nil {
		t.Error("a change that the ledger refused is begun", p, err)
	}
	l.refuse = chain.OK
	must(t, os.Rename(l.network.Path(authorityKeyName), l.network.Path("away")))
	must(t, os.RemoveAll(l.network.Path("node2")))
	if _, err := l.changer().Add(t.Context(), ""); !fault.Is(err, fault.NotFound) || !contains(err, authorityKeyName) {
		t.Error(err)
	}
	if _, err := l.changer().Remove(t.Context(), "1"); !fault.Is(err, fault.Conflict) || !contains(err, "validators add") {
		t.Error("another change while one is begun", err)
	}
	must(t, os.Rename(l.network.Path("away"), l.network.Path(authorityKeyName)))
	l.silent = []chain.ValidatorNo{1, 2}
	if _, err := l.changer().Add(t.Context(), ""); !fault.Is(err, fault.Unavailable) || !contains(err, "1 of 3 validators serve") {
		t.Error(err)
	}
	l.silent = nil
	if done, err := l.changer().Add(t.Context(), ""); err != nil || done.Epoch != 2 || len(l.handovers) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	l.check()
	must(t, os.Remove(l.network.Path("node0/keys/validator.key")))
	must(t, os.Remove(l.network.Path("node1/keys/validator.key")))
	if _, err := l.changer().Remove(t.Context(), "0"); !fault.Is(err, fault.Denied) || !contains(err, "validators propose") {
		t.Error(err)
	}
}

// A change that others made first is made in the next epoch.
func TestChangeAfterAnother(t *testing.T) {
	l := newLedger(t, several(t, Options{Nodes: 4}))
	first := true
	other := &interfering{fakeLedger: l, before: func() {
		if first {
			first = false
			l.make(&chain.ChangeValidator{Epoch: 1, Validator: 3})
		}
	}}
	n, err := Open(l.network.Dir)
	must(t, err)
	c := NewChanger(n, other, t.Logf)
	done, err := c.Remove(t.Context(), "2")
	if err != nil || done.Epoch != 3 || done.Members != 2 {
		t.Errorf("%+v, %v", done, err)
	}
}

type interfering struct {
	*fakeLedger
	before func()
}

func (i *interfering) Change(ctx context.Context, c *chain.ChangeValidator) error {
	i.before()
	return i.fakeLedger.Change(ctx, c)
}
