// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/payfile"
)

// desk is a session as a payment file sees it: it finds names and keys, signs, and sends. Answers of a stream come in
// order of sending; those that are not waited for yet are kept.
type desk struct {
	*session
	flags payFlags

	mu      sync.Mutex // guards signers while a plan is made
	signers map[chain.KeyNo]client.Signer

	batchStream *client.BatchStream
	txStream    *client.TxStream
	tag         uint64 // of what was sent last
	last        chain.Hash
	batches     map[uint64]client.BatchAnswer
	txs         map[uint64]client.TxAnswers
}

func (d *desk) close() {
	if d.batchStream != nil {
		d.batchStream.Close()
	}
	if d.txStream != nil {
		d.txStream.Close()
	}
}

// Payer finds an account that pays, and its key.
func (d *desk) Payer(ctx context.Context, name string) (payfile.Payer, error) {
	acc, err := d.account(ctx, name)
	if err != nil {
		return payfile.Payer{}, err
	}
	by, err := d.actorFor(ctx, acc, d.flags.key)
	if err != nil {
		return payfile.Payer{}, err
	}
	d.mu.Lock()
	d.signers[by.key] = by.signer
	d.mu.Unlock()
	p := payfile.Payer{No: acc.Number, Key: by.key, Institution: acc.Institution}
	if by.key == acc.Key {
		p.Institution = 0 // its own key signs
	}
	return p, nil
}

// Payee finds an account that is paid.
func (d *desk) Payee(ctx context.Context, name string) (chain.AccountNo, error) {
	acc, err := d.account(ctx, name)
	if err != nil {
		return 0, err
	}
	return acc.Number, nil
}

// Asset finds an asset.
func (d *desk) Asset(ctx context.Context, code string) (payfile.Asset, error) {
	if code == "" {
		code = d.flags.asset
	}
	asset, err := d.assetOr(ctx, code)
	if err != nil {
		return payfile.Asset{}, err
	}
	return payfile.Asset{No: asset.Number, Scale: asset.Scale}, nil
}

// Height is the newest certified height.
func (d *desk) Height(ctx context.Context) (chain.Height, error) {
	s, err := d.Status(ctx)
	if err != nil {
		return 0, err
	}
	return s.Height, nil
}

// Sequence is a channel's last sequence.
func (d *desk) Sequence(ctx context.Context, institution chain.InstitutionNo, channel uint8) (uint64, error) {
	in, err := d.Institution(ctx, institution, channel)
	if err != nil {
		return 0, err
	}
	return in.ChannelSequence, nil
}

// Nonce is an account's highest used nonce.
func (d *desk) Nonce(ctx context.Context, no chain.AccountNo) (uint64, error) {
	acc, err := d.Account(ctx, client.AccountName{Number: no}, 0, false)
	if err != nil {
		return 0, err
	}
	return acc.Nonce, nil
}

func (d *desk) signer(key chain.KeyNo) (client.Signer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.signers[key]
	if !ok {
		return nil, fault.New(fault.Denied, "the key %d is not at hand any more: was it replaced? Put its file back and run the command again", key)
	}
	return s, nil
}

// SignBatch signs with the key that the header names.
func (d *desk) SignBatch(h chain.BatchHeader, legs []chain.Leg) (*client.SignedBatch, error) {
	s, err := d.signer(h.Key)
	if err != nil {
		return nil, err
	}
	return client.SignBatch(s, h, legs)
}

// SignTx signs with the key that the transaction names.
func (d *desk) SignTx(tx chain.Tx) ([]byte, error) {
	s, err := d.signer(tx.Key)
	if err != nil {
		return nil, err
	}
	return client.SignTx(s, tx)
}

// SendBatch sends a batch; the function it returns waits for its fate.
func (d *desk) SendBatch(ctx context.Context, b *client.SignedBatch) (func() (payfile.BatchFate, error), error) {
	if d.batchStream == nil {
		var err error
		if d.batchStream, err = d.OpenBatchStream(ctx); err != nil {
			return nil, err
		}
	}
	d.tag++
	tag := d.tag
	d.last = chain.Hash(chain.NewLegID(b.ID, 0))
	if err := d.batchStream.Send(tag, b); err != nil {
		return nil, err
	}
	return func() (payfile.BatchFate, error) {
		for {
			if a, ok := d.batches[tag]; ok {
				delete(d.batches, tag)
				return batchFate(a)
			}
			a, err := d.batchStream.Recv()
			if err != nil {
				return payfile.BatchFate{}, err
			}
			d.batches[a.Tag] = a
		}
	}, nil
}

func batchFate(a client.BatchAnswer) (payfile.BatchFate, error) {
	if a.Refused != nil {
		return payfile.BatchFate{}, a.Refused
	}
	return fateOf(a.Receipt)
}

func fateOf(r *client.BatchReceipt) (payfile.BatchFate, error) {
	o, err := r.Outcomes()
	return payfile.BatchFate{Height: r.Height, Outcomes: o.Codes}, err
}

// SendTxs sends transactions; the function it returns waits for their fates.
func (d *desk) SendTxs(ctx context.Context, signed [][]byte) (func() ([]payfile.TxFate, error), error) {
	if d.txStream == nil {
		var err error
		if d.txStream, err = d.OpenTxStream(ctx); err != nil {
			return nil, err
		}
	}
	d.tag++
	tag := d.tag
	if id, err := client.TxID(signed[len(signed)-1]); err == nil {
		d.last = id
	}
	if err := d.txStream.Send(tag, signed); err != nil {
		return nil, err
	}
	return func() ([]payfile.TxFate, error) {
		for {
			if a, ok := d.txs[tag]; ok {
				delete(d.txs, tag)
				return txFates(a), nil
			}
			a, err := d.txStream.Recv()
			if err != nil {
				return nil, err
			}
			d.txs[a.Tag] = a
		}
	}, nil
}

func txFates(a client.TxAnswers) []payfile.TxFate {
	fates := make([]payfile.TxFate, len(a.Answers))
	for i, t := range a.Answers {
		fates[i] = payfile.TxFate{Height: t.Height, Outcome: t.Outcome, Refused: t.Refused}
	}
	return fates
}

// FindBatch looks an executed batch up.
func (d *desk) FindBatch(ctx context.Context, id chain.Hash) (payfile.BatchFate, error) {
	r, err := d.Batch(ctx, id)
	if err != nil {
		return payfile.BatchFate{}, err
	}
	return fateOf(r)
}

// FindTx looks an executed transaction up.
func (d *desk) FindTx(ctx context.Context, id chain.Hash) (payfile.TxFate, error) {
	t, err := d.found(ctx, id)
	if err != nil {
		return payfile.TxFate{}, err
	}
	return payfile.TxFate{Height: t.Height, Outcome: t.Outcome}, nil
}
