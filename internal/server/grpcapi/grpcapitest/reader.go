// SPDX-License-Identifier: Apache-2.0

package grpcapitest

import (
	"context"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
)

func (n *Node) find(method string, at int) (*entry, error) {
	if err := n.fail(method); err != nil {
		return nil, err
	}
	if at < 0 || at >= len(n.blocks) {
		return nil, fault.New(fault.NotFound, "there is no such thing")
	}
	return &n.blocks[at], nil
}

// Transaction finds a transaction, or a leg by the prefix of its batch.
func (n *Node) Transaction(_ context.Context, id [32]byte, proof bool) (*query.Transaction, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.txs[id]
	if !ok {
		at.block = -1
		prefix, leg := chain.LegID(id).Split()
		for batch, block := range n.batches {
			if [28]byte(batch[:28]) == prefix && leg < n.blocks[block].receipt.Location.Legs {
				at = txPlace{block, leg}
			}
		}
	}
	e, err := n.find("Transaction", at.block)
	if err != nil {
		return nil, err
	}
	return e.transaction(id, at.item, !ok, proof)
}

func (e *entry) transaction(id [32]byte, item uint32, leg, proof bool) (t *query.Transaction, err error) {
	t = &query.Transaction{ID: id, Receipt: e.receipt, Item: item, Leg: leg}
	offset, length := codec.LegSpan(item)
	front := uint64(chain.BatchHeaderBytes)
	if !leg {
		front = uint64(codec.TxBatchBytes(int(e.receipt.Location.Legs), 0))
		if offset, length, err = codec.TxSpan(e.payload, item); err != nil {
			return nil, err
		}
	}
	t.Bytes = e.payload[offset : offset+length]
	if leg {
		batch, err := chain.ParseBatch(e.payload)
		if err != nil {
			return nil, err
		}
		if o, ok := history.ChangeOrigin(batch, int(item)); ok {
			t.Origin = &o
		}
	}
	if proof {
		t.Proof, err = e.proof(front, offset, length)
	}
	return t, err
}

// ProveTx proves an item of a batch of single transactions.
func (n *Node) ProveTx(_ context.Context, r *chain.Receipt, item uint32) (*query.Proof, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, err := n.find("ProveTx", int(r.Location.Height)-1)
	if err != nil {
		return nil, err
	}
	offset, length, err := codec.TxSpan(e.payload, item)
	if err != nil {
		return nil, err
	}
	return e.proof(uint64(codec.TxBatchBytes(int(r.Location.Legs), 0)), offset, length)
}

func (e *entry) proof(front, offset, length uint64) (*query.Proof, error) {
	s, _ := codec.NewSlices(e.payload)
	head, err := s.Slice(0, front)
	if err != nil {
		return nil, err
	}
	item, err := s.Slice(offset, length)
	return &query.Proof{Front: head, Item: item}, err
}

// Batch finds a client batch.
func (n *Node) Batch(_ context.Context, id chain.Hash) (chain.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.batches[id]
	if !ok {
		at = -1
	}
	e, err := n.find("Batch", at)
	if err != nil {
		return chain.Receipt{}, err
	}
	return e.receipt, nil
}

// Legs proves a range of legs.
func (n *Node) Legs(ctx context.Context, id chain.Hash, from, count uint32) (*query.Legs, error) {
	if _, err := n.Batch(ctx, id); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	e := &n.blocks[n.batches[id]]
	offset, _ := codec.LegSpan(from)
	p, err := e.proof(chain.BatchHeaderBytes, offset, uint64(count)*chain.LegBytes)
	if err != nil {
		return nil, err
	}
	return &query.Legs{Receipt: e.receipt, Records: e.payload[offset:][:count*chain.LegBytes], Proof: *p}, nil
}

func (e *entry) block() *query.Block {
	b := &query.Block{Header: e.header, Hash: e.hash, HeaderBytes: e.receipt.Header, CertBytes: e.receipt.Certificate}
	if len(e.header.Batches) > 0 {
		b.Batches = []query.BlockBatch{{Batch: e.receipt.Batch, Kind: e.receipt.Location.Kind, Legs: e.receipt.Location.Legs, LegsOK: e.legsOK}}
	}
	return b
}

// Block finds a block.
func (n *Node) Block(_ context.Context, h chain.Height) (*query.Block, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h == 0 {
		h = chain.Height(len(n.blocks))
	}
	e, err := n.find("Block", int(h)-1)
	if err != nil {
		return nil, err
	}
	return e.block(), nil
}

// SampleAccount is what Account answers for number 5.
var SampleAccount = query.Account{
	Height: 9, Number: 5, Address: chain.Address{1, 2}, Institution: 1, Key: 2, Frozen: true, Slot: chain.SlotNone, Nonce: 3,
	Holdings: []query.Holding{{Asset: 1, Code: "EUR", Scale: 2, Amount: chain.Amount{Lo: 1, Hi: 1}}},
}

// Account knows account 5.
func (n *Node) Account(_ context.Context, name query.AccountName, _ chain.AssetNo) (*query.Account, error) {
	if err := n.fail("Account"); err != nil {
		return nil, err
	}
	if name.Number != SampleAccount.Number && name.Address != SampleAccount.Address {
		return nil, fault.New(fault.NotFound, "no such account")
	}
	a := SampleAccount
	return &a, nil
}

// AccountProof gives bytes that prove nothing.
func (n *Node) AccountProof(context.Context, query.AccountName, chain.AssetNo) (*query.StateProof, error) {
	if err := n.fail("AccountProof"); err != nil {
		return nil, err
	}
	return &query.StateProof{RootHeight: 8, Pages: []query.PageProof{{Section: 1, Record: 5, Page: []byte{1}, Path: []byte{2}}}, Account: SampleAccount}, nil
}

// SampleAsset is what the fake knows of assets.
var SampleAsset = query.Asset{Height: 9, Number: 1, Code: "EUR", Name: "Euro", Scale: 2, Flags: chain.AssetDense, Issuer: 1, Supply: chain.Units(100)}

// Asset knows asset 1.
func (n *Node) Asset(_ context.Context, no chain.AssetNo) (*query.Asset, error) {
	if err := n.fail("Asset"); err != nil {
		return nil, err
	}
	if no != SampleAsset.Number {
		return nil, fault.New(fault.NotFound, "no asset %d", no)
	}
	a := SampleAsset
	return &a, nil
}

// AssetByCode knows EUR.
func (n *Node) AssetByCode(ctx context.Context, code string) (*query.Asset, error) {
	if code != SampleAsset.Code {
		return nil, fault.New(fault.NotFound, "no asset %q", code)
	}
	return n.Asset(ctx, SampleAsset.Number)
}

// Institution knows every number.
func (n *Node) Institution(_ context.Context, no chain.InstitutionNo, channel uint8) (*query.Institution, error) {
	if err := n.fail("Institution"); err != nil {
		return nil, err
	}
	return &query.Institution{
		Height: 9, Number: no, Name: "bank", House: 1, ChannelSequence: uint64(channel), Keys: []query.Key{{Number: 1, Public: []byte{1, 2}, Active: true}},
	}, nil
}

// Status speaks of the fake's chain.
func (n *Node) Status(context.Context) (*query.Status, error) {
	if err := n.fail("Status"); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return &query.Status{
		Chain: n.Genesis.Chain, Network: n.Genesis.Name, Node: "v0", Height: chain.Height(len(n.blocks)),
		Genesis: codec.GenesisHash(n.Genesis), Epoch: n.members.Epoch, Validators: n.members.Members, OldestPayload: chain.Height(min(len(n.blocks), 1)),
	}, nil
}

// ListBlocks lists all blocks, newest first, limit a page; the cursor is the next height.
func (n *Node) ListBlocks(_ context.Context, limit int, cursor string) (p query.Page[query.Block], err error) {
	if err := n.fail("ListBlocks"); err != nil {
		return p, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	at := len(n.blocks)
	if cursor != "" {
		if at, err = strconv.Atoi(cursor); err != nil || at < 1 || at > len(n.blocks) {
			return p, fault.New(fault.Invalid, "this is no cursor")
		}
	}
	p.IndexHeight = chain.Height(len(n.blocks))
	for ; at > 0 && len(p.Items) < limit; at-- {
		p.Items = append(p.Items, *n.blocks[at-1].block())
	}
	if at > 0 {
		p.Next = strconv.Itoa(at)
	}
	return p, nil
}

// ListTransfers lists one.
func (n *Node) ListTransfers(_ context.Context, account chain.AccountNo, asset chain.AssetNo, _ int, _ string) (query.Page[query.Transfer], error) {
	p := query.Page[query.Transfer]{IndexHeight: 9, Items: []query.Transfer{{Height: 9, From: account, To: 2, Asset: asset, Kind: "transfer", Amount: chain.Units(5), Outcome: chain.FrozenSlot, Origin: history.Origin{Ms: 7, Round: 8, Place: 9}}}}
	return p, n.fail("ListTransfers")
}

// ListAccounts lists one.
func (n *Node) ListAccounts(context.Context, chain.InstitutionNo, int, string) (query.Page[query.Account], error) {
	return query.Page[query.Account]{IndexHeight: 9, Items: []query.Account{SampleAccount}}, n.fail("ListAccounts")
}

// ListAssets lists one.
func (n *Node) ListAssets(context.Context, int, string) (query.Page[query.Asset], error) {
	return query.Page[query.Asset]{IndexHeight: 9, Items: []query.Asset{SampleAsset}}, n.fail("ListAssets")
}

// FollowBlocks follows the fake's chain.
func (n *Node) FollowBlocks(ctx context.Context, from chain.Height, each func(*query.Block) error) error {
	if err := n.fail("FollowBlocks"); err != nil {
		return err
	}
	n.mu.Lock()
	if from == 0 {
		from = chain.Height(len(n.blocks)) + 1
	}
	n.mu.Unlock()
	for {
		n.mu.Lock()
		var next *query.Block
		if int(from) <= len(n.blocks) {
			next = n.blocks[from-1].block()
		}
		grown := n.grown
		n.mu.Unlock()
		if next != nil {
			if err := each(next); err != nil {
				return err
			}
			from++
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// FollowEvents gives each block one transfer.
func (n *Node) FollowEvents(ctx context.Context, from chain.Height, account chain.AccountNo, asset chain.AssetNo, each func(grpcapi.Events) error) error {
	return n.FollowBlocks(ctx, from, func(b *query.Block) error {
		t := query.Transfer{Height: b.Header.Height, From: account, Asset: asset, Amount: chain.Units(1), Kind: "transfer"}
		return each(grpcapi.Events{Height: b.Header.Height, TimeUs: b.Header.TimeUs, Transfers: []query.Transfer{t}})
	})
}
