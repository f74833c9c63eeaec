// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// chainWalk reads the tables that are keyed by height side by side, and proves each height from the one before.
type chainWalk struct {
	*audit
	headers, certificates, proposals, outcomes, places *cursor
	certs                                              *certChecker

	start    chain.Height // where re-execution begins: rows up to it are expected here, later ones by the replay
	hole     bool         // the height before is not here
	previous chain.Hash
	timeUs   uint64
}

// progressHeights is how many heights pass between two words to Progress.
const progressHeights = 256

// checkChain walks all heights. Headers, certificates, proposals, outcome arrays and places are complete after it, with
// none too many; outcome arrays and places of pruned heights are all too many.
func (a *audit) checkChain(ctx context.Context, start chain.Height) (err error) {
	w := &chainWalk{audit: a, certs: a.newCertChecker(), start: start, previous: codec.GenesisHash(a.genesis), timeUs: a.genesis.TimeUs}
	all := []**cursor{&w.headers, &w.certificates, &w.proposals, &w.outcomes, &w.places}
	for i, table := range []byte{tableHeader, tableCertificate, tableProposal, tableOutcome, tablePlace} {
		c, err := a.openCursor(table)
		if err != nil {
			return err
		}
		*all[i] = c
		defer func() { err = errors.Join(err, c.close()) }()
	}
	for h := chain.Height(1); h <= a.head; h++ {
		if h%progressHeights == 0 {
			a.progress(StageChain, int64(h), int64(a.head))
			if err := ctx.Err(); err != nil {
				return errors.Join(err, w.certs.wait())
			}
		}
		if a.adopted.missing(h) {
			w.hole = true
			continue
		}
		w.height(h)
		w.hole = false
	}
	for _, c := range all {
		(*c).rest()
	}
	a.progress(StageChain, int64(a.head), int64(a.head))
	return w.certs.wait()
}

// wrong reports something about a height in the block store.
func (a *audit) wrong(h chain.Height, format string, args ...any) {
	a.problem(a.cfg.Data("blocks"), at(h), format, args...)
}

func (w *chainWalk) height(h chain.Height) {
	raw, ok := w.headers.take(heightKey(tableHeader, h))
	if !ok {
		w.wrong(h, "there is no header")
		return
	}
	header, err := codec.DecodeHeader(raw)
	if err != nil {
		w.wrong(h, "%v", err)
		return
	}
	hash := codec.Sum(raw)
	w.header(h, header)
	w.epoch(h, header, hash)
	w.proposal(h, header)
	w.certificate(h, header, hash)
	for i := range header.Batches {
		if h < w.batchesFrom {
			w.prunedBatch(&header.Batches[i])
			continue
		}
		w.batch(h, uint32(i), &header.Batches[i])
	}
	w.previous, w.timeUs = hash, header.TimeUs
}

func (w *chainWalk) header(h chain.Height, header *chain.ExecutedHeader) {
	if end, ok := w.epochs.End(header.Epoch - 1); ok && h == end.Height+1 {
		w.previous, w.hole = end.Header, false // it is proved, also where the height before is not here
	}
	switch {
	case header.Height != h || header.Chain != w.genesis.Chain:
		w.wrong(h, "the header is that of height %d of chain %d", header.Height, header.Chain)
	case header.Previous != w.previous && !w.hole:
		w.wrong(h, "the header follows %s, but before it stands %s", header.Previous, w.previous)
	case header.TimeUs <= w.timeUs:
		w.wrong(h, "the header's time %d is not after %d", header.TimeUs, w.timeUs)
	case header.Next.IsZero() && header.RootAt != 0 && (header.RootAt+chain.RootDelay != h || w.epochs.EpochOf(header.RootAt) != header.Epoch):
		w.wrong(h, "the header carries the state root of height %d, it can only carry that of %d, in the same epoch", header.RootAt, h-chain.RootDelay)
	}
}

// epoch wants a header to be of its height's epoch, and the last one of an epoch to be the one that the handover names.
func (w *chainWalk) epoch(h chain.Height, header *chain.ExecutedHeader, hash chain.Hash) {
	is := w.epochs.EpochOf(h)
	end, ends := w.endAt(h)
	switch {
	case header.Epoch != is:
		w.wrong(h, "the header is of epoch %d, by the handovers the height is of epoch %d", header.Epoch, is)
	case ends && end.Header != hash:
		w.wrong(h, "the header is %s, the handover that ends epoch %d here names %s", hash, is, end.Header)
	case !ends && !header.Next.IsZero():
		w.wrong(h, "the header ends epoch %d, and there is no handover to the next one", is)
	}
}

func (w *chainWalk) proposal(h chain.Height, header *chain.ExecutedHeader) {
	raw, ok := w.proposals.take(heightKey(tableProposal, h))
	if !ok {
		w.wrong(h, "there is no proposal")
		return
	}
	p, err := codec.DecodeProposal(raw)
	switch {
	case err != nil:
		w.wrong(h, "%v", err)
	case codec.Sum(raw) != header.Proposal:
		w.wrong(h, "the proposal has hash %s, the header names %s", codec.Sum(raw), header.Proposal)
	case p.Height != h || p.TimeUs != header.TimeUs || !w.ranOf(p, header):
		w.wrong(h, "proposal and header do not agree on height, time or entries")
	}
}

// ranOf reports whether the header's lines are of entries of the proposal, in its order: of all, if the engine decides each
// but once.
func (w *chainWalk) ranOf(p *chain.Proposal, header *chain.ExecutedHeader) bool {
	ran := 0
	for _, digest := range p.Entries {
		if ran < len(header.Batches) && header.Batches[ran].Entry == digest {
			ran++
		} else if w.decidesOnce() {
			return false
		}
	}
	return ran == len(header.Batches)
}

func (w *chainWalk) certificate(h chain.Height, header *chain.ExecutedHeader, hash chain.Hash) {
	raw, ok := w.certificates.take(heightKey(tableCertificate, h))
	if !ok && w.sealedTail(h) {
		return // the seal stands for it
	}
	if !ok {
		w.wrong(h, "there is no certificate")
		return
	}
	c, err := codec.DecodeCertificate(raw)
	switch {
	case err != nil:
		w.wrong(h, "%v", err)
	case c.Height != h || c.Header != hash || c.Epoch != header.Epoch:
		w.wrong(h, "the certificate is for header %s of height %d, the header here is %s", c.Header, c.Height, hash)
	default:
		w.certs.add(header, hash, c)
	}
}

// batch checks place and outcomes of a payload, and expects the row by which its id is found if the height will not be
// executed again.
func (w *chainWalk) batch(h chain.Height, index uint32, r *chain.BatchResult) {
	place, ok := w.places.take(placeKey(tablePlace, h, index))
	if !ok {
		w.wrong(h, "there is no place of batch %d", index)
		return
	}
	loc, err := codec.DecodeLocation(place)
	if err != nil {
		w.wrong(h, "place of batch %d: %v", index, err)
		return
	}
	if loc.Height != h || loc.Index != index || loc.Legs != r.Legs {
		w.wrong(h, "the place of batch %d is of batch %d of height %d with %d legs", index, loc.Index, loc.Height, loc.Legs)
	}
	packed, ok := w.outcomes.take(placeKey(tableOutcome, h, index))
	if !ok {
		w.wrong(h, "there are no outcomes of batch %d", index)
		return
	}
	o, err := codec.UnpackOutcomes(packed)
	switch {
	case err != nil:
		w.wrong(h, "outcomes of batch %d: %v", index, err)
	case o.Hash() != r.Outcomes || len(o.Codes) != int(r.Legs):
		w.wrong(h, "the %d outcomes of batch %d have hash %s, the header names %s for %d legs", len(o.Codes), index, o.Hash(), r.Outcomes, r.Legs)
	case h <= w.start:
		w.old(r, loc, place, o)
	}
}

// old accounts for a batch whose height is not executed again.
func (w *chainWalk) old(r *chain.BatchResult, loc chain.Location, place []byte, o codec.Outcomes) {
	ok := uint64(0)
	for _, c := range o.Codes {
		if c == chain.OK {
			ok++
		}
	}
	w.bound.most += ok
	if loc.Kind == chain.PayloadBatch {
		w.bound.least += ok
	}
	if loc.Kind == chain.PayloadTxs || ok > 0 || w.indexedHere(r.Batch, place) {
		w.rows.expect(loc.Height, tableBatch, batchKey(r.Batch), place)
	}
}

// indexedHere reports whether a batch without any leg ok is found here by its id. It may be, or not: one that was refused
// as a whole is not, and the outcomes do not tell.
func (w *chainWalk) indexedHere(id chain.Hash, place []byte) bool {
	have, err := w.store.Get(batchKey(id))
	return err == nil && string(have) == string(place)
}

// legsBound is what is known of the number of transfers with outcome ok in heights that are not executed again: what a
// single transaction did is not in its outcome.
type legsBound struct{ least, most uint64 }
