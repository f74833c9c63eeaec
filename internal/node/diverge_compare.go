// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"time"

	"github.com/aurigraph/aurigraph/internal/catchup"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/query"
)

const (
	// explainMax bounds the time in which peers are asked for headers, and explainPause is the time between two rounds.
	// A header is there once it is published, and one that carries a later state root once its network went on.
	explainMax   = 30 * time.Second
	explainPause = 500 * time.Millisecond
	// leavesMax bounds the time in which peers are asked for leaves: they keep them for some seconds, and get no older ones.
	leavesMax = 10 * time.Second
	// fieldsMax bounds the fields that a report names.
	fieldsMax = 16
)

// explain finds out what differs, first in the header, then in the state. It reports whether it is of use to ask again: no peer
// was there to say what was certified.
func (n *Node) explain(ctx context.Context, v *verdict, r *query.Divergence) (again bool) {
	ctx, cancel := context.WithTimeout(ctx, explainMax)
	defer cancel()
	if v.now != nil {
		return n.explainContradicted(ctx, v, r)
	}
	own, certified, err := n.firstDifferentHeader(ctx, r)
	if err != nil {
		r.Unknown = "what differs in it could not be told: " + err.Error()
		return fault.Is(err, fault.Unavailable)
	}
	r.Fields, r.Unknown = headerDifferences(own, certified), ""
	if deceived(r) {
		return false // other states follow from another order
	}
	if err := n.comparePages(ctx, r, own, certified); err != nil {
		r.Unknown = "the differing pages of the state could not be told: " + err.Error()
	}
	return false
}

// explainContradicted compares with the certified header of the height: what was signed for it before, of which the hash and
// what was decided are known, or else what is computed now.
func (n *Node) explainContradicted(ctx context.Context, v *verdict, r *query.Divergence) (again bool) {
	certified, hash, err := n.certifiedHeader(ctx, r.Height)
	if err != nil {
		r.Unknown = "what was certified for it could not be told: " + err.Error()
		return fault.Is(err, fault.Unavailable)
	}
	r.Certified, r.Unknown = hash.String(), ""
	switch {
	case v.own.Hash == hash:
		r.Own, r.Fields = codec.HeaderHash(v.now).String(), headerDifferences(v.now, certified)
	case v.own.Decided.IsZero():
		r.Unknown = "the record of what this node signed is of an older program, and does not say what was decided"
	case v.own.Decided != certified.Proposal:
		r.Fields = []query.FieldDifference{{Field: fieldProposal, Own: v.own.Decided.String(), Certified: certified.Proposal.String()}}
	default:
		r.Fields = []query.FieldDifference{{Field: "hash", Own: r.Own, Certified: r.Certified}}
		r.Unknown = "it came from the same order, in an earlier life, of which no more is known"
	}
	return false
}

// firstDifferentHeader asks for the certified header of the height at which the verdict came, and of heights below as long
// as the headers differ in what they stand on: verdicts do not come in the order of heights.
func (n *Node) firstDifferentHeader(ctx context.Context, r *query.Divergence) (own, certified *chain.ExecutedHeader, err error) {
	for {
		mine, ok := n.divergence.own(r.Height)
		if !ok {
			return nil, nil, fault.New(fault.NotFound, "this node does not remember its own header of height %d", r.Height)
		}
		theirs, hash, err := n.certifiedHeader(ctx, r.Height)
		if err != nil {
			return nil, nil, err
		}
		if hash == mine.hash {
			return nil, nil, fault.New(fault.Conflict, "header %s is certified, and this node's: the quorum that contradicted it signed twice; look at the evidence", hash)
		}
		r.Own, r.Certified = mine.hash.String(), hash.String()
		if below, ok := n.divergence.own(r.Height - 1); theirs.Previous == mine.header.Previous || !ok || below.hash != mine.header.Previous {
			return mine.header, theirs, nil
		}
		r.Height--
	}
}

func (n *Node) certifiedHeader(ctx context.Context, h chain.Height) (header *chain.ExecutedHeader, hash chain.Hash, err error) {
	err = n.askPeers(ctx, func(peer chain.ValidatorNo) (err error) {
		header, hash, err = n.peers.catchUp.inquiry.Header(ctx, peer, h)
		return err
	})
	return header, hash, err
}

// comparePages finds the pages that differ in the state whose root the headers carry, or else in the first one that both
// sides hashed at the differing height or after it.
func (n *Node) comparePages(ctx context.Context, r *query.Divergence, own, certified *chain.ExecutedHeader) error {
	at, root := certified.RootAt, certified.StateRoot
	if at == 0 || own.RootAt != at || own.StateRoot == root {
		var ok bool
		if at, ok = n.loop.LeavesFrom(r.Height); !ok {
			return fault.New(fault.NotFound, "the writer halted before a state from height %d on was hashed", r.Height)
		}
		later, _, err := n.certifiedHeader(ctx, at+chain.RootDelay)
		if err != nil {
			return err
		}
		if later.RootAt != at {
			return fault.New(fault.NotFound, "the others hashed no state of height %d", at)
		}
		root = later.StateRoot
	}
	leaves, ok := n.loop.Leaves(at)
	if !ok {
		return fault.New(fault.NotFound, "this node does not remember its own state of height %d", at)
	}
	list, err := n.differences(ctx, at, root, leaves)
	if fault.Is(err, fault.Conflict) { // what differs in the header left no trace in the state
		r.StateHeight = at
		return nil
	}
	if err != nil {
		return err
	}
	r.StateHeight, r.Pages = at, list
	return nil
}

func (n *Node) differences(ctx context.Context, at chain.Height, root chain.Hash, own *pages.StateLeaves) (out []query.PageDifference, err error) {
	ctx, cancel := context.WithTimeout(ctx, leavesMax)
	defer cancel()
	var list []catchup.SectionDifference
	if err := n.askPeers(ctx, func(peer chain.ValidatorNo) (err error) {
		list, err = n.peers.catchUp.inquiry.Differences(ctx, peer, at, root, own)
		return err
	}); err != nil {
		return nil, err
	}
	for _, x := range list {
		first, count := pages.RecordsOf(x.RecordBytes, x.Page)
		p := query.PageDifference{Section: x.Section, Page: x.Page, Pages: x.Pages, FirstRecord: first, LastRecord: first + count - 1}
		p.Name, p.Record = ledger.SectionName(x.Section)
		out = append(out, p)
	}
	return out, nil
}

// askPeers asks one peer after the other, in rounds, until one gives what is wanted, or says what no other can better
// (Conflict), or ctx ends. Its error says what each of them answered last.
func (n *Node) askPeers(ctx context.Context, ask func(peer chain.ValidatorNo) error) error {
	var last []error
	for {
		var said []error
		for _, m := range n.newest().Membership().Members {
			peer := m.No
			if peer == n.self {
				continue
			}
			err := ask(peer)
			if err == nil || fault.Is(err, fault.Conflict) {
				return err
			}
			if ctx.Err() == nil {
				said = append(said, err)
			}
		}
		if len(said) > 0 {
			last = said
		}
		select {
		case <-time.After(explainPause):
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "no peer could tell in time (%s)", joined(last))
		}
	}
}

func joined(errs []error) string {
	if len(errs) == 0 {
		return "none answered"
	}
	text := errs[0].Error()
	for _, err := range errs[1:] {
		text += "; " + err.Error()
	}
	return text
}

// fieldProposal is the field of a header that names what was decided.
const fieldProposal = "proposal"

// headerDifferences are the fields in which two headers of one height differ, in the order in which one leads to the other:
// what was decided, then what came out of it.
func headerDifferences(own, certified *chain.ExecutedHeader) (list []query.FieldDifference) {
	add := func(field string, a, b any) {
		if a != b && len(list) < fieldsMax {
			list = append(list, query.FieldDifference{Field: field, Own: fmt.Sprint(a), Certified: fmt.Sprint(b)})
		}
	}
	add("chain", own.Chain, certified.Chain)
	add("epoch", own.Epoch, certified.Epoch)
	add("previous header", own.Previous, certified.Previous)
	add(fieldProposal, own.Proposal, certified.Proposal)
	add("time", own.TimeUs, certified.TimeUs)
	add("number of batches", len(own.Batches), len(certified.Batches))
	for i := range min(len(own.Batches), len(certified.Batches)) {
		a, b := &own.Batches[i], &certified.Batches[i]
		add(fmt.Sprintf("entry of batch %d", i), a.Entry, b.Entry)
		add(fmt.Sprintf("id of batch %d", i), a.Batch, b.Batch)
		add(fmt.Sprintf("transfers of batch %d", i), a.Legs, b.Legs)
		add(fmt.Sprintf("outcomes of batch %d", i), a.Outcomes, b.Outcomes)
	}
	add("EVM root", own.EVMRoot, certified.EVMRoot)
	add("height of the state root", own.RootAt, certified.RootAt)
	add("state root", own.StateRoot, certified.StateRoot)
	add("next membership", own.Next, certified.Next)
	return list
}
