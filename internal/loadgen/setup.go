// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// fundUnits is what every payer begins with: enough for any run.
const fundUnits = 1 << 40

// payersMax bounds the self-owned accounts of a single-signature run: as many expanded keys as a node keeps.
const payersMax = 4096

// validBlocks is how far ahead signatures are valid; a run ends long before.
const validBlocks = chain.ValidityBlocksMax - 1000

// bench is a run in progress.
type bench struct {
	cfg    Config
	target *Target
	client *client.Client
	world  *world
	out    io.Writer // progress
	house  chain.AccountNo
	nonce  uint64 // last used by the house account
	issued issues
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out, format+"\n", args...) }

// prepare makes accounts and assets and gives everyone money, through the public API.
func (b *bench) prepare(ctx context.Context, institution chain.InstitutionNo, signer client.Signer) error {
	in, err := b.client.Institution(ctx, institution, 0)
	if err != nil {
		return err
	}
	b.world = &world{chain: b.world.chain, institution: institution, signer: signer, load: b.cfg.Load, accounts: uint32(b.cfg.Accounts), assets: uint32(b.cfg.Assets)}
	for _, k := range in.Keys {
		if k.Active && string(k.Public) == string(signer.Public().Bytes()) {
			b.world.key = k.Number
		}
	}
	if b.world.key == 0 {
		return fault.New(fault.NotFound, "institution %d does not have the key %s", institution, signer.Public())
	}
	house, err := b.client.Account(ctx, client.AccountName{Number: in.House}, 0, false)
	if err != nil {
		return err
	}
	b.house, b.nonce, b.issued.units = in.House, house.Nonce, map[chain.AssetNo]uint64{}
	if b.cfg.Load == LoadZipf {
		b.world.drawZipf()
	}
	for _, step := range []func(context.Context) error{b.makeAssets, b.openAccounts, b.fund} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) validUntil(ctx context.Context) (chain.Height, error) {
	s, err := b.client.Status(ctx)
	if err != nil {
		return 0, err
	}
	return s.Height + validBlocks, nil
}

// asHouse signs bodies as the institution's house account.
func (b *bench) asHouse(until chain.Height, bodies ...chain.Body) ([][]byte, error) {
	signed := make([][]byte, len(bodies))
	for i, body := range bodies {
		b.nonce++
		var err error
		signed[i], err = client.SignTx(b.world.signer, chain.Tx{Chain: b.world.chain, Sender: b.house, Key: b.world.key, Nonce: b.nonce, ValidUntil: until, Body: body})
		if err != nil {
			return nil, err
		}
	}
	return signed, nil
}

// submit sends transactions of the house account and returns their results. Any outcome but ok is an error.
func (b *bench) submit(ctx context.Context, bodies ...chain.Body) ([]uint32, error) {
	until, err := b.validUntil(ctx)
	if err != nil {
		return nil, err
	}
	signed, err := b.asHouse(until, bodies...)
	if err != nil {
		return nil, err
	}
	stream, err := b.client.OpenTxStream(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	results := make([]uint32, 0, len(signed))
	for first := 0; first < len(signed); first += singlesPerMessage {
		if err := stream.Send(uint64(first), signed[first:min(first+singlesPerMessage, len(signed))]); err != nil {
			return nil, err
		}
		got, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		for _, a := range got.Answers {
			if a.Refused != nil {
				return nil, a.Refused
			}
			if a.Outcome != chain.OK {
				return nil, fault.New(fault.Refused, "setup: a transaction came out %s", a.Outcome)
			}
			results = append(results, a.Result)
		}
	}
	return results, nil
}

func (b *bench) makeAssets(ctx context.Context) error {
	var flags chain.AssetFlags
	if b.cfg.Assets == 1 {
		flags = chain.AssetDense
	}
	bodies := make([]chain.Body, b.cfg.Assets)
	for i := range bodies {
		bodies[i] = &chain.CreateAsset{Code: fmt.Sprintf("BENCH%d", i), Name: "bench", Flags: flags}
	}
	made, err := b.submit(ctx, bodies...)
	if err != nil {
		return err
	}
	b.world.firstAsset = made[0]
	return consecutive("asset", made, 1)
}

// consecutive checks that numbers follow one another: nobody else is using the network.
func consecutive(what string, made []uint32, step uint32) error {
	for i, n := range made {
		if n != made[0]+uint32(i)*step {
			return fault.New(fault.Conflict, "%s numbers are not consecutive: run the bench on a network of its own", what)
		}
	}
	return nil
}

func (b *bench) openAccounts(ctx context.Context) error {
	var bodies []chain.Body
	for left := b.cfg.Accounts; left > 0; left -= chain.OpenAccountsMax {
		bodies = append(bodies, &chain.OpenAccounts{Count: uint32(min(left, chain.OpenAccountsMax))})
	}
	made, err := b.submit(ctx, bodies...)
	if err != nil {
		return err
	}
	b.world.first = made[0]
	return consecutive("account", made, chain.OpenAccountsMax)
}

// fund issues each asset to the house account and pays every account from there.
func (b *bench) fund(ctx context.Context) error {
	bodies := make([]chain.Body, b.cfg.Assets)
	for i := range bodies {
		asset := chain.AssetNo(b.world.firstAsset + uint32(i))
		b.issued.units[asset] = fundUnits * uint64(b.cfg.Accounts+payersMax)
		bodies[i] = &chain.Issue{To: b.house, Asset: asset, Amount: chain.Units(b.issued.units[asset])}
	}
	if _, err := b.submit(ctx, bodies...); err != nil {
		return err
	}
	status, err := b.client.Status(ctx)
	if err != nil {
		return err
	}
	b.issued.by = status.Height
	legs := make([]chain.Leg, b.cfg.Accounts)
	for i := range legs {
		legs[i] = chain.Leg{From: b.house, To: chain.AccountNo(b.world.first + uint32(i)), Asset: b.world.assetOf(uint32(i)), Amount: chain.Units(fundUnits)}
	}
	return b.pay(ctx, legs)
}

// pay sends legs in batches on the channel set aside for setup, and wants all of them ok.
func (b *bench) pay(ctx context.Context, legs []chain.Leg) error {
	in, err := b.client.Institution(ctx, b.world.institution, setupChannel)
	if err != nil {
		return err
	}
	until, err := b.validUntil(ctx)
	if err != nil {
		return err
	}
	stream, err := b.client.OpenBatchStream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	h := chain.BatchHeader{Chain: b.world.chain, Institution: b.world.institution, Key: b.world.key, Channel: setupChannel, Sequence: in.ChannelSequence, ValidUntil: until}
	for len(legs) > 0 {
		n := min(len(legs), chain.BatchLegsMax)
		h.Sequence++
		batch, err := client.SignBatch(b.world.signer, h, legs[:n])
		if err != nil {
			return err
		}
		if err := stream.Send(h.Sequence, batch); err != nil {
			return err
		}
		got, err := stream.Recv()
		if err != nil {
			return err
		}
		if got.Refused != nil {
			return got.Refused
		}
		var a answer
		out, err := got.Receipt.Outcomes()
		if err != nil {
			return err
		}
		if a.count(out.Codes); a.ok != n {
			return fault.New(fault.Refused, "setup: %d of %d transfers came out ok: %v", a.ok, n, a.refusals)
		}
		legs = legs[n:]
	}
	return nil
}

// setupChannel is the channel of batches that are not load.
const setupChannel = 200

// openPayers opens self-owned accounts with Ed25519 keys and funds them.
func (b *bench) openPayers(ctx context.Context) ([]payer, error) {
	payers := make([]payer, min(b.cfg.Accounts, payersMax))
	bodies := make([]chain.Body, len(payers))
	for i := range payers {
		signer, err := keys.FromSeed(keys.Ed25519, sha256.Sum256(fmt.Appendf(nil, "bench payer %d", i)))
		if err != nil {
			return nil, err
		}
		payers[i].signer = signer
		bodies[i] = &chain.OpenAccount{PublicKey: signer.Public().Bytes(), Slot: chain.SlotNone}
	}
	made, err := b.submit(ctx, bodies...)
	if err != nil {
		return nil, err
	}
	legs := make([]chain.Leg, len(payers))
	for i := range payers {
		account, err := b.client.Account(ctx, client.AccountName{Number: chain.AccountNo(made[i])}, 0, false)
		if err != nil {
			return nil, err
		}
		payers[i].no, payers[i].key = account.Number, account.Key
		legs[i] = chain.Leg{From: b.house, To: account.Number, Asset: b.world.assetOf(0), Amount: chain.Units(fundUnits)}
	}
	return payers, b.pay(ctx, legs)
}
