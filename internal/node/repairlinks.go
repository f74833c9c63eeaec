// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// askWait is how long a peer may take to answer with an entry: who does not have it says nothing.
const askWait = time.Second

// repairPatience is how long no peer may answer with what was asked for. A test that wants to see it pass makes it less.
var repairPatience time.Duration

// repairLinks reaches the others while the node repairs its lane, when nothing else of it runs: it asks for entries, one at a
// time, and lets all else pass, which the others send again.
type repairLinks struct {
	links *transport.TCP

	mu     sync.Mutex
	wanted chain.Hash
	from   chain.ValidatorNo
	answer chan repairAnswer // nil: nothing is asked for
}

type repairAnswer struct {
	head    *spread.EntryHead
	payload []byte
}

func (n *Node) openRepairLinks() (*repairLinks, error) {
	v := n.cfg.Validators
	identity, err := transport.LoadIdentity(n.cfg.Path(v.Cert), n.cfg.Path(v.Key), n.cfg.Path(v.CA))
	if err != nil {
		return nil, err
	}
	links, err := transport.Listen(transport.Options{
		Chain: n.genesis.Chain, Self: n.self, Address: v.Listen, Identity: identity, LinkBytesPerSecond: v.LinkBytesPerSecond, Log: n.log,
	})
	if err != nil {
		return nil, err
	}
	l := &repairLinks{links: links}
	var all []transport.Peer
	for _, m := range n.newest().Membership().Members {
		all = append(all, transport.Peer{No: m.No, Address: n.address(m.No)})
	}
	if err := errors.Join(links.SetPeers(n.newest().Epoch(), all), links.Start(l)); err != nil {
		return nil, errors.Join(err, links.Close())
	}
	return l, nil
}

func (l *repairLinks) close() { _ = l.links.Close() } // nothing was sent that must arrive

// Frame takes the entry that was asked for, from whom it was asked.
func (l *repairLinks) Frame(from chain.ValidatorNo, class transport.Class, kind uint8, bytes int, r io.Reader) error {
	if class != transport.Batches || kind != spread.KindEntry {
		return nil
	}
	head, err := lane.ReadHead(bytes, r)
	if err != nil {
		return err
	}
	l.mu.Lock()
	answer := l.answer
	if from != l.from || codec.EntryDigest(head.Entry) != l.wanted {
		answer = nil
	}
	l.mu.Unlock()
	if answer == nil {
		return nil
	}
	payload := make([]byte, head.Entry.Bytes)
	if _, err := io.ReadFull(r, payload); err != nil {
		return err
	}
	select {
	case answer <- repairAnswer{head, payload}:
	default: // it answered already
	}
	return nil
}

// ask asks a peer for an entry and waits for the answer.
func (l *repairLinks) ask(ctx context.Context, peer chain.ValidatorNo, want lane.Named) (*spread.EntryHead, []byte, error) {
	if l.links.Connection(peer, transport.Consensus) == 0 {
		return nil, nil, fault.New(fault.Unavailable, "validator %d is not connected", peer)
	}
	answer := make(chan repairAnswer, 1)
	l.mu.Lock()
	l.wanted, l.from, l.answer = want.Digest, peer, answer
	l.mu.Unlock()
	kind, frame := spread.KindAsk, spread.AppendAsk(nil, spread.Ask{Digest: want.Digest})
	if want.Height != 0 {
		kind, frame = spread.KindAskExecuted, spread.AppendAskExecuted(nil, spread.AskExecuted{Height: want.Height, Index: want.Index, Digest: want.Digest})
	}
	if err := l.links.Send(peer, transport.Consensus, frameLane+kind, frame); err != nil {
		return nil, nil, fault.Wrap(fault.Unavailable, err, "ask validator %d", peer)
	}
	late := time.NewTimer(askWait)
	defer late.Stop()
	select {
	case a := <-answer:
		return a.head, a.payload, nil
	case <-late.C:
		return nil, nil, fault.New(fault.Timeout, "validator %d does not answer", peer)
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}
