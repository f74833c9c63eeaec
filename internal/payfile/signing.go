// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// signing makes signed bytes and puts them into the journal. The ledger is asked once for each counter; after that it is
// counted here, above all that the journal has.
type signing struct {
	*runner
	asked      map[chain.InstitutionNo]bool
	askedNonce map[chain.AccountNo]bool
}

// signFresh signs those jobs that are not yet.
func (s *signing) signFresh(ctx context.Context, jobs []*job) error {
	until, known := chain.Height(0), false
	for _, j := range jobs {
		if j.chunk != nil {
			continue
		}
		if !known {
			var err error
			if until, err = s.validUntil(ctx); err != nil {
				return err
			}
			known = true
		}
		k, err := s.sign(ctx, j.group, until)
		if err != nil {
			return err
		}
		if err := s.j.put(k, true); err != nil {
			return err
		}
		j.chunk, j.pending = k, everyTx(k)
	}
	return nil
}

func (s *signing) validUntil(ctx context.Context) (chain.Height, error) {
	h, err := s.sender.Height(ctx)
	return h + s.opts.ValidityBlocks, err
}

func (s *signing) sign(ctx context.Context, g group, until chain.Height) (*chunk, error) {
	k := &chunk{lines: g.lines}
	if g.institution != 0 {
		legs := make([]chain.Leg, len(g.lines))
		for i, l := range g.lines {
			legs[i] = s.plan.payments[l].leg
		}
		h := chain.BatchHeader{Chain: s.j.header.chain, Institution: g.institution, Key: g.key, Channel: s.j.Channel(), ValidUntil: until}
		return k, s.batch(ctx, k, h, legs)
	}
	for _, l := range g.lines {
		p := s.plan.payments[l]
		tx := chain.Tx{
			Chain: s.j.header.chain, Sender: p.leg.From, Key: p.key, ValidUntil: until,
			Body: &chain.Transfer{To: p.leg.To, Asset: p.leg.Asset, Amount: p.leg.Amount, Reference: p.leg.Reference},
		}
		raw, err := s.tx(ctx, tx)
		if err != nil {
			return nil, err
		}
		k.txs = append(k.txs, raw)
	}
	return k, nil
}

// batch signs legs under the channel's next sequence.
func (s *signing) batch(ctx context.Context, k *chunk, h chain.BatchHeader, legs []chain.Leg) error {
	if !s.asked[h.Institution] {
		last, err := s.sender.Sequence(ctx, h.Institution, h.Channel)
		if err != nil {
			return err
		}
		s.sequences[h.Institution] = max(s.sequences[h.Institution], last)
		s.asked[h.Institution] = true
	}
	s.sequences[h.Institution]++
	h.Sequence = s.sequences[h.Institution]
	b, err := s.sender.SignBatch(h, legs)
	if err != nil {
		return err
	}
	k.batch = b
	return k.check()
}

// tx signs a transaction with its sender's next nonce.
func (s *signing) tx(ctx context.Context, tx chain.Tx) ([]byte, error) {
	if !s.askedNonce[tx.Sender] {
		last, err := s.sender.Nonce(ctx, tx.Sender)
		if err != nil {
			return nil, err
		}
		s.nonces[tx.Sender] = max(s.nonces[tx.Sender], last)
		s.askedNonce[tx.Sender] = true
	}
	s.nonces[tx.Sender]++
	tx.Nonce = s.nonces[tx.Sender]
	return s.sender.SignTx(tx)
}

// batchAgain replaces a batch that can never execute by the same legs under a new sequence, which the ledger is asked for
// anew: another import may use the channel.
func (s *signing) batchAgain(ctx context.Context, j *job) error {
	if j.signed++; j.signed > signedAgainMax {
		return fault.New(fault.Unavailable, "signed %d times, and overtaken each time: another import uses channel %d, wait for its end", j.signed, s.j.Channel())
	}
	until, err := s.validUntil(ctx)
	if err != nil {
		return err
	}
	old := mustBatch(j.chunk)
	legs := make([]chain.Leg, old.Len())
	for i := range legs {
		legs[i] = old.Leg(i)
	}
	h := old.Header()
	h.ValidUntil = until
	if p := s.plan.payments[j.chunk.lines[0]]; p.institution == h.Institution {
		h.Key = p.key // the old one may have been revoked
	}
	s.asked[h.Institution] = false
	k := &chunk{number: j.chunk.number, lines: j.chunk.lines}
	if err := s.batch(ctx, k, h, legs); err != nil {
		return err
	}
	s.again += len(k.lines)
	j.chunk = k
	return s.j.put(k, false)
}

// txsAgain replaces those transactions of a chunk that can never execute.
func (s *signing) txsAgain(ctx context.Context, j *job, dead []int) error {
	if j.signed++; j.signed > signedAgainMax {
		return fault.New(fault.Unavailable, "signed %d times, and overtaken each time: another program uses these accounts, wait for its end", j.signed)
	}
	until, err := s.validUntil(ctx)
	if err != nil {
		return err
	}
	k := &chunk{number: j.chunk.number, lines: j.chunk.lines, txs: append([][]byte(nil), j.chunk.txs...)}
	for _, at := range dead {
		s.askedNonce[decodeTx(k.txs[at]).Sender] = false
	}
	for _, at := range dead {
		tx := decodeTx(k.txs[at]).Tx
		tx.ValidUntil = until
		if p := s.plan.payments[k.lines[at]]; p.leg.From == tx.Sender && p.institution == 0 {
			tx.Key = p.key
		}
		if k.txs[at], err = s.tx(ctx, tx); err != nil {
			return err
		}
	}
	s.again += len(dead)
	j.chunk = k
	return s.j.put(k, false)
}
