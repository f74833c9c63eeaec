// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/order/raft"
)

// postOrder lets a liar that leads lie to the ordering engine.
func (l *liar) postOrder(f frame) {
	w := l.n.w
	if !l.on(lieLeadFork) && !l.on(lieLeadCommit) && !l.on(lieLeadLogTerm) || !l.leads() {
		w.net.send(f)
		return
	}
	m, err := raft.ParseFrame(f.body)
	if err != nil || m.Raft == nil {
		w.net.send(f)
		return
	}
	switch m.Raft.Type.String() {
	case "MsgApp":
		changed := l.forkEntries(m, f.to)
		changed = l.falsifyLog(m, f.to) || changed
		if l.falsifyCommit(m, f.to) || changed {
			f.body = raft.AppendFrame(nil, m)
		}
	case "MsgHeartbeat":
		if l.falsifyCommit(m, f.to) {
			f.body = raft.AppendFrame(nil, m)
		}
	}
	w.net.send(f)
}

// forkEntries leaves a digest out of the proposals that one follower is sent; that follower hears the same story again.
func (l *liar) forkEntries(m raft.Message, to int) (changed bool) {
	if !l.on(lieLeadFork) {
		return false
	}
	for i := range m.Raft.Entries {
		e := &m.Raft.Entries[i]
		p, err := codec.DecodeProposal(e.Data)
		if err != nil || len(p.Entries) == 0 {
			continue
		}
		key := codec.Sum(e.Data)
		if l.turned == nil {
			l.turned = map[chain.Hash]int{}
		}
		victim, told := l.turned[key]
		if !told {
			victim = -1
			if l.tells(lieLeadFork, to) {
				victim = to
			}
			l.turned[key] = victim
		}
		if victim == to {
			p.Entries = p.Entries[1:]
			e.Data = codec.AppendProposal(nil, p)
			changed = true
			l.mislead(lieLeadFork)
		}
	}
	return changed
}

// falsifyCommit claims that entries are decided which are not, or not there.
func (l *liar) falsifyCommit(m raft.Message, to int) bool {
	if !l.tells(lieLeadCommit, to) {
		return false
	}
	l.mislead(lieLeadCommit)
	m.Raft.Commit += []uint64{1, 2, 5, 1 << 20, 1 << 61}[l.n.w.lieRand.IntN(5)]
	return true
}

// falsifyLog claims another term for what stands before the entries, or for them.
func (l *liar) falsifyLog(m raft.Message, to int) bool {
	if !l.tells(lieLeadLogTerm, to) {
		return false
	}
	l.mislead(lieLeadLogTerm)
	switch r := l.n.w.lieRand; r.IntN(4) {
	case 0:
		m.Raft.LogTerm++
	case 1:
		m.Raft.LogTerm -= min(m.Raft.LogTerm, 1)
	case 2:
		m.Raft.Index += uint64(r.IntN(3))
	default:
		for i := range m.Raft.Entries {
			m.Raft.Entries[i].Term -= min(m.Raft.Entries[i].Term, uint64(r.IntN(2)))
		}
	}
	return true
}

// orderUnheld orders an entry that nobody holds: all who execute wait for it from there on.
func (l *liar) orderUnheld() {
	if !l.leads() || len(l.unheld) > 0 {
		return
	}
	var d chain.Hash
	for i := range d {
		d[i] = byte(l.n.w.lieRand.Uint32())
	}
	l.unheld = append(l.unheld, d)
	l.mislead(lieLeadUnheld)
	l.n.stepOrder(raft.Offered{Digest: d})
}
