// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/store"
)

// metaLegsOK names the count of transfers with outcome ok up to a height: height u64, count u64.
const metaLegsOK = "legs_ok"

// readHead finds out how far the store is.
func (l *Loop) readHead() error {
	h, _, err := store.LastHeader(l.Store)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	l.published, l.startedAt = h, h
	if raw, err := store.ReadMeta(l.Store, metaLegsOK); err == nil && len(raw) == 16 {
		l.legsOK.Store(binary.LittleEndian.Uint64(raw[8:]))
	} else if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return nil
}

// runSigner signs executed blocks. What was published before a restart is not signed again.
func (l *Loop) runSigner(ctx context.Context) error {
	for {
		select {
		case b := <-l.executed:
			if h := b.executed.Header; h.Height > l.startedAt {
				if err := l.Certifier.Sign(ctx, h, b.executed.Hash); err != nil && ctx.Err() == nil {
					return fault.Halt(err, "sign height %d", h.Height)
				}
			}
			l.signed <- b // never blocks: b has its token of depth
		case <-ctx.Done():
			return nil
		}
	}
}

// runPersister awaits the certificates of signed blocks, persists and publishes them.
func (l *Loop) runPersister(ctx context.Context) error {
	var changes store.Changes
	for {
		select {
		case b := <-l.signed:
			if err := l.persist(ctx, b, &changes); err != nil {
				return endOr(ctx, err)
			}
			<-l.depth
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *Loop) persist(ctx context.Context, b *block, changes *store.Changes) error {
	begin := time.Now()
	ex := b.executed
	if ex.Header.Height <= l.Height() {
		return l.persistAgain(ctx, b)
	}
	cert, err := l.Certifier.Await(ctx, ex.Header.Height)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // stopped while the quorum was awaited
	}
	if err != nil {
		return fault.Halt(err, "certify height %d", ex.Header.Height)
	}
	certified := time.Now()
	pub := l.record(b, cert, changes)
	if b.ending != nil {
		b.ending.record(changes, pub, cert)
	}
	if err := PruneBatches(l.Store, changes, l.pruneBelow()); err != nil {
		return fault.Halt(err, "prune batch rows at height %d", ex.Header.Height)
	}
	// The payloads and the proposal are on disk, and this write is a function of them: it is flushed only where a
	// checkpoint will lean on it. What a power cut takes of it is executed again.
	flush := b.ending != nil || ex.Header.RootAt != 0 && l.checkpointerFree.Load() && l.board.keeps(ex.Header.RootAt)
	if err := l.Store.Apply(changes, flush); err != nil {
		return fault.Halt(err, "persist height %d", ex.Header.Height)
	}
	l.Metrics.stages.Observe(obs.StageCertify, certified.Sub(begin))
	l.Metrics.stages.Observe(obs.StagePersist, time.Since(certified))
	l.finish(b, pub, flush)
	return l.leave(ctx, b)
}

// persistAgain is for a block that was published before a restart: it must come out equal, and nothing is written.
func (l *Loop) persistAgain(ctx context.Context, b *block) error {
	h := b.executed.Header.Height
	stored, err := store.ReadHeader(l.Store, h)
	if err != nil {
		return fault.Halt(err, "read back height %d", h)
	}
	if !bytes.Equal(stored, b.executed.HeaderBytes) {
		return fault.Halt(fault.New(fault.Corrupt, "the stored header is %s, executing again gives %s", codec.Sum(stored), b.executed.Hash), "height %d diverges", h)
	}
	cert, err := store.ReadCertificate(l.Store, h)
	if err != nil {
		return fault.Halt(err, "read back the certificate of height %d", h)
	}
	l.forget(b)
	l.rootCertified(b.executed.Header, stored, cert, false)
	return l.leave(ctx, b)
}

// record fills changes with all that the block leaves behind in the store.
func (l *Loop) record(b *block, cert *chain.Certificate, changes *store.Changes) *Published {
	changes.Reset()
	ex, h := b.executed, b.executed.Header.Height
	pub := &Published{Executed: ex, LegsOK: l.legsOK.Load() + ex.LegsOK}
	pub.Certified = chain.Certified{Header: ex.Header, Hash: ex.Hash, HeaderBytes: ex.HeaderBytes, CertBytes: codec.AppendCertificate(nil, cert)}
	pub.Batches = Record(changes, b.proposal, b.followed, ex, pub.CertBytes)
	legs := binary.LittleEndian.AppendUint64(nil, uint64(h))
	store.WriteMeta(changes, metaLegsOK, binary.LittleEndian.AppendUint64(legs, pub.LegsOK))
	return pub
}

// Record adds to changes the rows that a block leaves behind in the store, all but the count of transfers. entries are
// those of p that followed in their lane, in its order, and ex is what their execution gave. Offline verification makes the same rows anew.
func Record(changes *store.Changes, p *chain.Proposal, entries []*lane.Stored, ex *exec.Executed, certificate []byte) []chain.CertifiedBatch {
	h := ex.Header.Height
	store.WriteHeader(changes, h, ex.HeaderBytes)
	if len(certificate) > 0 { // else a seal stands for it
		store.WriteCertificate(changes, h, certificate)
	}
	store.WriteProposal(changes, h, codec.AppendProposal(nil, p))
	var batches []chain.CertifiedBatch
	for i := range ex.Batches {
		batches = append(batches, recordBatch(changes, h, uint32(i), entries[i], &ex.Batches[i]))
	}
	for _, v := range ex.Versioned {
		store.WriteHolding(changes, v.Asset, v.Account, h, appendAmount(nil, v.Amount))
	}
	return batches
}

func recordBatch(changes *store.Changes, h chain.Height, index uint32, s *lane.Stored, out *exec.BatchOutcome) chain.CertifiedBatch {
	loc := chain.Location{
		Height: h, Index: index, Kind: s.Entry.Kind, Legs: uint32(len(out.Outcomes.Codes)),
		Segment: s.Pos.Segment, Offset: s.Pos.Offset, Bytes: s.Pos.Bytes, Seq: s.Pos.Seq,
	}
	encoded := codec.AppendLocation(nil, loc)
	packed := out.Outcomes.AppendPacked(nil)
	store.WritePlace(changes, h, index, encoded)
	store.WriteOutcome(changes, h, index, packed)
	if out.Indexed {
		store.WriteBatch(changes, s.Entry.Payload, encoded)
	}
	for _, item := range byID(out.TxIDs) {
		store.WriteTx(changes, out.TxIDs[item], store.TxPlace{Height: h, Index: index, Item: item})
	}
	return chain.CertifiedBatch{Location: loc, LegsOK: out.LegsOK, Packed: packed}
}

// byID lists the places of the ids that are not zero, in the ids' order: neighbours are cheaper to put in the store.
func byID(ids []chain.Hash) []uint32 {
	items := make([]uint32, 0, len(ids))
	for item := range ids {
		if !ids[item].IsZero() {
			items = append(items, uint32(item))
		}
	}
	slices.SortFunc(items, func(a, b uint32) int { return bytes.Compare(ids[a][:], ids[b][:]) })
	return items
}

func appendAmount(dst []byte, a chain.Amount) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(dst, a.Lo), a.Hi)
}

// finish publishes a stored block; flushed says whether the store is durable up to it.
func (l *Loop) finish(b *block, pub *Published, flushed bool) {
	begin := time.Now()
	l.legsOK.Store(pub.LegsOK)
	l.publish(pub.Header.Height)
	l.OnPublished(pub)
	l.forget(b)
	l.Metrics.block(pub)
	l.cuts.note(pub.Header)
	l.Metrics.stages.Observe(obs.StagePublish, time.Since(begin))
	l.rootCertified(pub.Header, pub.HeaderBytes, pub.CertBytes, flushed)
}

func (l *Loop) forget(b *block) {
	for _, s := range b.followed {
		l.Lane.Forget(s.Digest)
	}
}
