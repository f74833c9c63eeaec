// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/store"
)

// A membership epoch ends with a block (a change by governance) or with a seal. The node goes on in the next one by opening
// its folder again, with the members that the handover names:
//
//	1 the handover is in the block store, in one write with the last block            | a crash: the own log is executed to there again
//	2 a checkpoint of the state that the next epoch begins with is durable            | from here on the old epoch's log is not needed
//	3 Run ends with ErrRestart; Open finds that checkpoint, whose ledger names the new epoch, and a new ordering log
//
// A node whose state is of an older epoch than the handovers it knows gets to the end of it by its own log, decided or not: the
// others may order nothing there any more, not even again what they decided (reach). It takes a peer's state if it did not
// publish the last block of a change, if its history does not lead to the end, or if its keys are not those of that epoch.

// openEpochs reads who validated when, as far as this node knows, and finds its own place among the newest members.
func (n *Node) openEpochs(context.Context) error {
	var err error
	if n.epochs, err = epoch.NewHistory(n.genesis); err != nil {
		return err
	}
	rows, err := store.ReadHandovers(n.store, n.epochs.Current().Epoch()+1)
	if err != nil {
		return err
	}
	for _, raw := range rows {
		p, err := codec.DecodeProvedHandover(raw)
		if err == nil {
			err = n.epochs.Extend(p)
		}
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "a handover in the block store")
		}
	}
	if err := n.takeHandoversFile(); err != nil {
		return err
	}
	return n.findSelf()
}

// handoversName is the file in the data folder from which a newcomer learns who validates now: each handover since the genesis
// behind its length (u32, little-endian).
const handoversName = "handovers"

// handoversBytesMax bounds it: a handover is at most some 130 KiB, with 64 members.
const handoversBytesMax = 64 << 20

func (n *Node) takeHandoversFile() error {
	f, err := os.Open(n.cfg.Data(handoversName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "open the handovers")
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, handoversBytesMax+1))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read the handovers")
	}
	list, rest := codec.SplitHandovers(raw)
	if rest > 0 {
		return fault.New(fault.Invalid, "%s ends within a handover: get it again from a validator", n.cfg.Data(handoversName))
	}
	_, refused, err := n.learn(list)
	if err == nil && refused != nil {
		err = fault.Wrap(fault.Invalid, refused, "a handover in %s is false: get the file again from another validator", n.cfg.Data(handoversName))
	}
	return err
}

// learn proves handovers and keeps those that are new. It returns how many were, and why the others are refused: those before
// a false one are kept, for the history in memory has them, and must not be ahead of the disk. err is the disk's alone.
func (n *Node) learn(list [][]byte) (learned int, refused, err error) {
	var changes store.Changes
	for _, raw := range list {
		var p *chain.ProvedHandover
		if p, refused = codec.DecodeProvedHandover(raw); refused != nil {
			break
		}
		if p.Next.Epoch <= n.epochs.Current().Epoch() {
			continue
		}
		if refused = n.epochs.Extend(p); refused != nil {
			break
		}
		store.WriteHandover(&changes, p.Next.Epoch, raw)
		learned++
	}
	if learned > 0 {
		err = n.store.Apply(&changes, true)
	}
	return learned, refused, err
}

// newest is the newest membership that the node knows of; its state may be of an older one.
func (n *Node) newest() *epoch.Set { return n.epochs.Current() }

// members is the membership of the epoch in which the node's state stands.
func (n *Node) members() *chain.Membership { return n.epochs.At(n.epoch).Membership() }

// tableSize is the length of a table by validator number, for all that ever were.
func (n *Node) tableSize() int {
	size := 0
	for e := chain.Epoch(1); e <= n.newest().Epoch(); e++ {
		size = max(size, n.epochs.At(e).Size())
	}
	return size
}

// ReasonLeft is why a node does not start whose validator is no member any more: to start it again is of no use.
const ReasonLeft = "left_network"

// findSelf finds the validator whose keys the node has.
func (n *Node) findSelf() error {
	members := n.newest().Membership().Members
	names := make([]string, len(members))
	for i := range members {
		m := &members[i]
		names[i] = strconv.Quote(m.Name)
		if n.isMember(m) {
			n.self = m.No
			return n.checkNetwork()
		}
	}
	for e := n.newest().Epoch() - 1; e > 0; e-- {
		for _, m := range n.epochs.At(e).Membership().Members {
			if n.isMember(&m) {
				end, _ := n.epochs.End(e)
				return fault.Reasoned(fault.Conflict, ReasonLeft, "validator %d (%s) left the network when epoch %d ended at height %d: its folder can be kept for verification; to validate again it needs a place and keys of its own", m.No, m.Name, e, end.Height)
			}
		}
	}
	return fault.New(fault.Conflict, "the key files are not those of validator %s", strings.Join(names, ", "))
}

// openEpoch is told of the state: it says in which epoch the node goes on, or that it must catch up first.
func (n *Node) openEpoch(context.Context) error {
	n.epoch = n.state.Ledger.Membership().Epoch
	// A checkpoint at an epoch's end says where the own lane stood before; it may have begun anew.
	_, n.state.Lane.Sequence, n.state.Lane.Tip = n.state.Ledger.Lane(n.self)
	newest := n.newest().Epoch()
	if n.epoch > newest {
		return fault.New(fault.Corrupt, "the state at height %d is of epoch %d, the newest handover in the block store begins epoch %d: restore the folder from a copy", n.state.Height, n.epoch, newest)
	}
	head, _, err := store.LastHeader(n.store)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if end, ok := n.epochs.End(n.epoch); ok && n.awayAt(&end, head) {
		n.lags = true
		n.log.Warn("the membership changed, and this node cannot get to the end of its epoch by itself; it takes a peer's state", obs.KeyEpoch, uint64(n.epoch), "newest", uint64(newest))
	}
	return n.openOrderLog()
}

// awayAt reports whether this node cannot get to the end of its epoch by itself. After a seal it looks what it has first. After
// a change it must have published the last block: those below it need certificates of their own, which nobody gives any more.
// Who has other keys by now can sign nothing in the old epoch.
func (n *Node) awayAt(end *chain.Handover, head chain.Height) bool {
	switch m := n.members().Find(n.self); {
	case m == nil || !n.isMember(m):
		return true
	case end.Verdict != chain.VerdictNone:
		return n.missedSeal()
	}
	return head < end.Height
}

func (n *Node) epochName() string { return strconv.FormatUint(uint64(n.epoch), 10) }

// orderName is the folder of an epoch's ordering log.
func orderName(e chain.Epoch) string {
	if e == 1 {
		return "order"
	}
	return "order-" + strconv.FormatUint(uint64(e), 10)
}

// openOrderLog opens the epoch's ordering log. Those of older epochs hold nothing that is not in the state.
func (n *Node) openOrderLog() (err error) {
	for e := chain.Epoch(1); e < n.epoch; e++ {
		if err := os.RemoveAll(n.cfg.Data(orderName(e))); err != nil {
			return fault.Wrap(fault.Unavailable, err, "remove the ordering log of epoch %d", e)
		}
	}
	name := orderName(n.epoch)
	if err := os.MkdirAll(n.cfg.Data(name), 0o755); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the data folders")
	}
	// A page a block: writing zeros first costs little here, and spares each flush the file system's journal.
	if n.orderLog, err = n.openLog(name, orderSegmentBytes, 1, true); err != nil {
		return err
	}
	n.onClose(n.orderLog.Close)
	n.room.orderLog = n.orderLog
	return nil
}

// orderBase is what the epoch's ordering log begins from.
func (n *Node) orderBase() (raft.Genesis, error) {
	g := raft.Genesis{TimeUs: n.genesis.TimeUs}
	for _, m := range n.members().Members {
		g.Voters = append(g.Voters, m.No)
	}
	if n.epoch == 1 {
		return g, nil
	}
	raw, err := store.ReadHandover(n.store, n.epoch)
	if err != nil {
		return g, err
	}
	p, err := codec.DecodeProvedHandover(raw)
	if err != nil {
		return g, fault.Wrap(fault.Corrupt, err, "the handover to epoch %d", n.epoch)
	}
	h, err := codec.DecodeHeader(p.HeaderBytes)
	if err != nil {
		return g, fault.Wrap(fault.Corrupt, err, "the handover to epoch %d", n.epoch)
	}
	g.Height, g.TimeUs = h.Height, h.TimeUs
	return g, nil
}

// address is where a validator is reached, as the settings say; "": they do not.
func (n *Node) address(v chain.ValidatorNo) string {
	if int(v) >= len(n.cfg.Validators.Addresses) {
		return ""
	}
	return n.cfg.Validators.Addresses[v]
}
