// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"iter"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// run is n bytes that count up from the given one, so that a swapped or shifted field shows in the golden files.
func run(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func sampleHash(from byte) chain.Hash { return chain.Hash(run(from, 32)) }

func sampleEntry() chain.LaneEntry {
	return chain.LaneEntry{
		Validator: 0x0102, JoinEpoch: 0x1112131415161718, Sequence: 0x2122232425262728, Parent: sampleHash(0x40),
		Kind: chain.PayloadTxs, Payload: sampleHash(0x80), Bytes: 0x31323334,
	}
}

func sampleProposal() *chain.Proposal {
	return &chain.Proposal{
		Height: 0x0102030405060708, Term: 0x1112131415161718, TimeUs: 0x2122232425262728,
		Entries: []chain.Hash{sampleHash(0x40), sampleHash(0x80)},
	}
}

func sampleHeader() *chain.ExecutedHeader {
	return &chain.ExecutedHeader{
		Chain: 0x0102030405060708, Epoch: 0x1112131415161718, Height: 0x2122232425262728, Previous: sampleHash(0x30),
		Proposal: sampleHash(0x50), TimeUs: 0x3132333435363738, EVMRoot: sampleHash(0x70), RootAt: 0x4142434445464748,
		StateRoot: sampleHash(0x90), Next: sampleHash(0xe0),
		Batches: []chain.BatchResult{
			{Entry: sampleHash(0xa0), Batch: sampleHash(0xb0), Legs: 0x51525354, Outcomes: sampleHash(0xc0)},
			{Entry: sampleHash(0xa1), Batch: sampleHash(0xb1), Legs: 1, Outcomes: sampleHash(0xc1)},
		},
	}
}

func sampleCertificate() *chain.Certificate {
	return &chain.Certificate{
		Epoch: 0x0102030405060708, Height: 0x1112131415161718, Header: sampleHash(0x20),
		Signatures: []chain.ValidatorSignature{
			{Validator: 0, Header: run(0x40, 64)},
			{Validator: 0x0203, Header: run(0x80, 64), Root: run(0, chain.SignatureBytesMax)},
		},
	}
}

func sampleLocation() chain.Location {
	return chain.Location{
		Height: 0x0102030405060708, Index: 0x11121314, Kind: chain.PayloadBatch, Legs: 0x21222324,
		Segment: 0x3132333435363738, Offset: 0x41424344, Bytes: 0x51525354, Seq: 0x6162636465666768,
	}
}

// sampleBodies has one of each body, by its kind's name; variants carry a suffix.
func sampleBodies() map[string]chain.Body {
	amount := chain.Amount{Lo: 0x2122232425262728, Hi: 0x292a2b2c2d2e2f30}
	ref := [32]byte(run(0x40, 32))
	key := run(0xa0, 33)
	return map[string]chain.Body{
		"transfer":             &chain.Transfer{To: 0x01020304, Asset: 0x11121314, Amount: amount, Reference: ref},
		"hold":                 &chain.Hold{To: 0x01020304, Asset: 0x11121314, Amount: amount, Blocks: 0x313233, Reference: ref},
		"post":                 &chain.Post{Hold: sampleHash(0x60), Amount: amount},
		"void":                 &chain.Void{Hold: sampleHash(0x60)},
		"issue":                &chain.Issue{To: 0x01020304, Asset: 0x11121314, Amount: amount, Reference: ref},
		"redeem":               &chain.Redeem{Asset: 0x11121314, Amount: amount, Reference: ref},
		"create_asset":         &chain.CreateAsset{Code: "US-91282.CJL6", Name: "Straße 4%", Scale: 18, Flags: chain.AssetPortable | chain.AssetDense},
		"open_account":         &chain.OpenAccount{PublicKey: key, AliasTag: sampleHash(0x60), Address: chain.Address(run(0x80, 20)), Slot: 0x0102},
		"open_account_native":  &chain.OpenAccount{Slot: chain.SlotNone},
		"open_accounts":        &chain.OpenAccounts{Count: 0x1020},
		"freeze":               &chain.Freeze{Account: 0x01020304, Frozen: true},
		"freeze_lift":          &chain.Freeze{Asset: 0x11121314},
		"register_institution": &chain.RegisterInstitution{Name: "Bank of Examples", PublicKey: run(0, chain.PublicKeyBytesMax)},
		"add_key":              &chain.AddKey{Account: 0x01020304, PublicKey: key},
		"add_delegate":         &chain.AddDelegate{PublicKey: key},
		"open_inbox": &chain.OpenInbox{
			Ledger: chain.Hash{1, 31: 2}, Incarnation: [16]byte{3, 15: 4}, Life: 5, Institution: 6, Key: 7, Position: chain.SyncPosition{Major: 8, Minor: 9}, Tag: chain.Hash{10},
		},
		"skip_sync":   &chain.SkipSync{Life: 1, Position: chain.SyncPosition{Major: 2, Minor: 3}, Tag: chain.Hash{4}, Slot: 5, Reason: chain.Hash{6}},
		"freeze_slot": &chain.FreezeSlot{Slot: 7, Frozen: true},
		"set_mover":   &chain.SetMover{Mover: 5, Guard: [32]byte{1, 2, 3}},
		"move_slots": &chain.MoveSlots{
			ToV11: true, HomeVersion: 9, Slots: []chain.SlotRange{{From: 1, To: 99}, {From: 10_001, To: 10_001}}, Position: chain.SyncPosition{Major: 77, Minor: 8}, Fence: make([]byte, 64),
		},
		"abort_move":       &chain.AbortMove{HomeVersion: 9, Slots: []chain.SlotRange{{From: 1, To: 99}}},
		"close_migration":  &chain.CloseMigration{HomeVersion: 9, Life: 2, Position: chain.SyncPosition{Major: 77, Minor: 8}},
		"revoke_key":       &chain.RevokeKey{Key: 0x01020304},
		"change_validator": sampleChange(),
		"remove_validator": &chain.ChangeValidator{Epoch: 0x0102030405060708, Validator: 3},
	}
}

func sampleChange() *chain.ChangeValidator {
	return &chain.ChangeValidator{
		Epoch: 0x0102030405060708, Validator: 0x1112, Name: "v4", Ed25519: run(0x20, 32), MLDSA65: run(0, 1952),
		Approvals: []chain.Approval{{Validator: 0, Signature: run(0x40, 64)}, {Validator: 2, Signature: run(0x80, 64)}, {Validator: 63, Signature: run(0xc0, 64)}},
	}
}

func sampleMembership() *chain.Membership {
	return &chain.Membership{Epoch: 0x0102030405060708, Members: []chain.Member{
		{No: 0x1112, JoinEpoch: 0x2122232425262728, Name: "v0", Ed25519: run(0x30, 32), MLDSA65: run(0, 1952)},
		{No: 0x1314, JoinEpoch: 1, Name: "v1", Ed25519: run(0x31, 32), MLDSA65: run(1, 1952)},
	}}
}

func sampleHandover() *chain.Handover {
	return &chain.Handover{
		Chain: 0x0102030405060708, Verdict: chain.VerdictUnchanged, Height: 0x1112131415161718, Header: sampleHash(0x20),
		Root: sampleHash(0x40), Next: *sampleMembership(),
	}
}

// sampleToV10 is a handover by a seal that gives all slots to V10.
func sampleToV10() *chain.Handover {
	h := sampleHandover()
	h.Verdict, h.HomeVersion = chain.VerdictToV10, 0x2122232425262728
	return h
}

// sampleProved is a handover with all that one can have; one of a change has no seal, a sealed one may have no certificate.
func sampleProved() *chain.ProvedHandover {
	return &chain.ProvedHandover{
		Handover: *sampleHandover(), HeaderBytes: AppendHeader(nil, sampleHeader()), Certificate: sampleCertificate(),
		Seal: sampleChange().Approvals,
	}
}

func sampleTx(body chain.Body) *chain.SignedTx {
	return &chain.SignedTx{
		Tx: chain.Tx{
			Chain: 0x0102030405060708, Sender: 0x11121314, Key: 0x21222324, Nonce: 0x3132333435363738,
			ValidUntil: 0x4142434445464748, Body: body,
		},
		Signature: run(0xc0, 64),
	}
}

func sampleTxBatch() [][]byte {
	bodies := sampleBodies()
	var signed [][]byte
	for _, name := range []string{"void", "freeze", "transfer"} {
		signed = append(signed, AppendSignedTx(nil, sampleTx(bodies[name])))
	}
	return signed
}

func sampleOutcomes() map[string]Outcomes {
	return map[string]Outcomes{
		"uniform": {Codes: make([]chain.Outcome, 300)},
		"codes":   {Codes: []chain.Outcome{chain.OK, chain.InsufficientFunds, chain.OK, chain.LimitReached}},
		"results": {Codes: []chain.Outcome{chain.OK, chain.OK, chain.AliasTaken}, Results: []uint32{0x01020304, 0, 7}},
	}
}

func sampleGenesis() *chain.Genesis {
	return &chain.Genesis{
		Chain: 0x0102030405060708, Name: "vectors", TimeUs: 0x1112131415161718, AccountsMax: 0x212223,
		Validators:   []chain.GenesisValidator{{Name: "v0", Ed25519: run(0, 32), MLDSA65: run(0, 1952)}},
		Institutions: []chain.GenesisInstitution{{Name: "Governance", Keys: []chain.HexBytes{run(1, 33), run(2, 33)}}},
		Accounts: []chain.GenesisAccount{
			{Institution: 1, Slot: chain.SlotNone},
			{PublicKey: run(3, 33), AliasTag: run(4, 32), Address: run(5, 20), Slot: 9999},
		},
		Assets:   []chain.GenesisAsset{{Code: "EUR", Name: "Euro", Scale: 2, Flags: chain.AssetDense, Issuer: 1}},
		Holdings: []chain.GenesisHolding{{Account: 2, Asset: 1, Amount: "1000"}},
		V10Slots: []chain.SlotRange{{From: 1, To: 9999}},
	}
}

// sampleGenesis2 says what the first form has no place for.
func sampleGenesis2() *chain.Genesis {
	g := sampleGenesis()
	g.IdempotencyKeysMax = 0x313233
	g.Institutions[0].DelegatedKeys = []chain.HexBytes{run(6, 33)}
	g.Institutions = append(g.Institutions, chain.GenesisInstitution{Name: "Bank", Keys: []chain.HexBytes{run(7, 33)}})
	return g
}

// Generators of any value that has a form; where a bound is far from the common case, both sides of it are drawn.

func anyHash() *rapid.Generator[chain.Hash] {
	return rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) chain.Hash { return chain.Hash(b) })
}

// anyBytes draws a length and a byte to begin with: contents do not matter to the codec. Empty is nil, as decoders give it.
func anyBytes(most int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		n := rapid.OneOf(rapid.IntRange(0, min(most, 80)), rapid.SampledFrom([]int{0, 1, most - 1, most})).Draw(t, "length")
		if n == 0 {
			return nil
		}
		return run(rapid.Byte().Draw(t, "from"), n)
	})
}

func anyText(most int) *rapid.Generator[string] {
	return rapid.Map(anyBytes(most), func(b []byte) string { return string(b) })
}

func anyTransferLike(t *rapid.T) (chain.AccountNo, chain.AssetNo, chain.Amount, [32]byte) {
	return chain.AccountNo(rapid.Uint32().Draw(t, "to")), chain.AssetNo(rapid.Uint32().Draw(t, "asset")),
		chain.Amount{Lo: rapid.Uint64().Draw(t, "lo"), Hi: rapid.Uint64().Draw(t, "hi")}, anyHash().Draw(t, "reference")
}

func anyBody(t *rapid.T) chain.Body {
	to, asset, amount, ref := anyTransferLike(t)
	n := rapid.Uint32().Draw(t, "n")
	key := anyBytes(chain.PublicKeyBytesMax).Draw(t, "public key")
	name := anyText(chain.NameBytesMax).Draw(t, "name")
	return rapid.SampledFrom([]chain.Body{
		&chain.Transfer{To: to, Asset: asset, Amount: amount, Reference: ref},
		&chain.Hold{To: to, Asset: asset, Amount: amount, Blocks: n, Reference: ref},
		&chain.Post{Hold: ref, Amount: amount},
		&chain.Void{Hold: ref},
		&chain.Issue{To: to, Asset: asset, Amount: amount, Reference: ref},
		&chain.Redeem{Asset: asset, Amount: amount, Reference: ref},
		&chain.CreateAsset{Code: name[:min(len(name), chain.CodeBytesMax)], Name: name, Scale: uint8(n), Flags: chain.AssetFlags(n >> 8)},
		&chain.OpenAccount{PublicKey: key, AliasTag: ref, Address: chain.Address(ref[:20]), Slot: uint16(n)},
		&chain.OpenAccounts{Count: n},
		&chain.Freeze{Account: to, Asset: asset, Frozen: n%2 == 0},
		&chain.RegisterInstitution{Name: name, PublicKey: key},
		&chain.AddKey{Account: to, PublicKey: key},
		&chain.AddDelegate{PublicKey: key},
		&chain.RevokeKey{Key: chain.KeyNo(n)},
		&chain.CloseMigration{HomeVersion: amount.Hi, Life: n, Position: chain.SyncPosition{Major: amount.Lo, Minor: n}},
		&chain.ChangeValidator{
			Epoch: chain.Epoch(amount.Lo), Validator: chain.ValidatorNo(n), Name: name,
			Ed25519: key[:min(len(key), chain.Ed25519KeyBytes)], MLDSA65: key[:min(len(key), chain.MLDSA65KeyBytes)],
			Approvals: anyApprovals(chain.ApprovalsMax).Draw(t, "approvals"),
		},
	}).Draw(t, "body")
}

func anyApprovals(most int) *rapid.Generator[[]chain.Approval] {
	return rapid.Custom(func(t *rapid.T) (list []chain.Approval) {
		numbers := rapid.Permutation(slices.Collect(seq(chain.ValidatorsMax))).Draw(t, "numbers")[:rapid.IntRange(0, most).Draw(t, "approvals")]
		slices.Sort(numbers)
		for _, v := range numbers {
			list = append(list, chain.Approval{Validator: chain.ValidatorNo(v), Signature: run(byte(v), chain.Ed25519SignatureBytes)})
		}
		return list
	})
}

// seq yields 0 to n-1.
func seq(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i++ {
		}
	}
}

func anyMembership() *rapid.Generator[*chain.Membership] {
	return rapid.Custom(func(t *rapid.T) *chain.Membership {
		m := &chain.Membership{Epoch: chain.Epoch(rapid.Uint64().Draw(t, "epoch"))}
		for range rapid.OneOf(rapid.IntRange(0, 5), rapid.Just(chain.ValidatorsMax)).Draw(t, "members") {
			m.Members = append(m.Members, chain.Member{
				No: chain.ValidatorNo(rapid.Uint16().Draw(t, "number")), JoinEpoch: chain.Epoch(rapid.Uint64().Draw(t, "join epoch")),
				Name:    anyText(chain.NameBytesMax).Draw(t, "name"),
				Ed25519: anyBytes(chain.Ed25519KeyBytes).Draw(t, "ed25519"),
				MLDSA65: anyBytes(chain.MLDSA65KeyBytes).Draw(t, "ml-dsa-65"),
			})
		}
		return m
	})
}

func anyHandover() *rapid.Generator[*chain.Handover] {
	return rapid.Custom(func(t *rapid.T) *chain.Handover {
		h := &chain.Handover{
			Chain:   chain.ChainID(rapid.Uint64().Draw(t, "chain")),
			Verdict: chain.Verdict(rapid.Uint8().Draw(t, "verdict")),
			Height:  chain.Height(rapid.Uint64().Draw(t, "height")),
			Header:  anyHash().Draw(t, "header"),
			Root:    anyHash().Draw(t, "root"),
			Next:    *anyMembership().Draw(t, "next"),
		}
		if h.Verdict == chain.VerdictToV10 {
			h.HomeVersion = rapid.Uint64().Draw(t, "home version")
		}
		return h
	})
}

func anyProved() *rapid.Generator[*chain.ProvedHandover] {
	return rapid.Custom(func(t *rapid.T) *chain.ProvedHandover {
		p := &chain.ProvedHandover{
			Handover:    *anyHandover().Draw(t, "handover"),
			HeaderBytes: anyBytes(HeaderBytesMax).Draw(t, "header bytes"),
			Seal:        anyApprovals(chain.ValidatorsMax).Draw(t, "seal"),
		}
		if rapid.Bool().Draw(t, "certified") {
			p.Certificate = sampleCertificate()
		}
		return p
	})
}

func anySignedTx() *rapid.Generator[*chain.SignedTx] {
	return rapid.Custom(func(t *rapid.T) *chain.SignedTx {
		return &chain.SignedTx{
			Tx: chain.Tx{
				Chain:      chain.ChainID(rapid.Uint64().Draw(t, "chain")),
				Sender:     chain.AccountNo(rapid.Uint32().Draw(t, "sender")),
				Key:        chain.KeyNo(rapid.Uint32().Draw(t, "key")),
				Nonce:      rapid.Uint64().Draw(t, "nonce"),
				ValidUntil: chain.Height(rapid.Uint64().Draw(t, "valid until")),
				Body:       anyBody(t),
			},
			Signature: anyBytes(chain.SignatureBytesMax).Draw(t, "signature"),
		}
	})
}

func anyOutcomes() *rapid.Generator[Outcomes] {
	return rapid.Custom(func(t *rapid.T) Outcomes {
		n := rapid.OneOf(rapid.IntRange(1, 40), rapid.Just(chain.BatchLegsMax)).Draw(t, "n")
		o := Outcomes{Codes: make([]chain.Outcome, n)}
		first := chain.Outcome(rapid.Uint8().Draw(t, "code"))
		for i := range o.Codes {
			o.Codes[i] = first
		}
		if rapid.Bool().Draw(t, "mixed") {
			o.Codes[rapid.IntRange(0, n-1).Draw(t, "odd one")] = chain.Outcome(rapid.Uint8().Draw(t, "other code"))
		}
		if rapid.Bool().Draw(t, "with results") {
			o.Results = make([]uint32, n)
			o.Results[rapid.IntRange(0, n-1).Draw(t, "place")] = rapid.Uint32().Draw(t, "result")
		}
		return o
	})
}

var longText = strings.Repeat("x", 1<<16+1) // its length cut to 16 bits would be 1
