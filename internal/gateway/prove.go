// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Reasons for which an answer about the chain is refused, beside those of package epoch.
const (
	reasonUnknownEpoch = "unknown_epoch" // handovers may tell of it
	reasonNotAsked     = "not_asked"     // other blocks, or fewer, than were asked for
	reasonBrokenChain  = "broken_chain"  // a header that does not follow the one below it
	reasonPayload      = "payload_mismatch"
	reasonOutcomes     = "outcomes_mismatch"
)

func unproved(reason, format string, args ...any) error {
	return fault.Reasoned(fault.Corrupt, reason, format, args...)
}

// proved is a header that is known to be of the chain.
type proved struct {
	*chain.ExecutedHeader
	hash chain.Hash
}

// prover proves headers from the genesis on. It is safe for concurrent use.
type prover struct {
	chain   chain.ChainID
	genesis chain.Hash
	history *epoch.History
}

func newProver(g *chain.Genesis) (*prover, error) {
	h, err := epoch.NewHistory(g)
	if err != nil {
		return nil, err
	}
	return &prover{chain: g.Chain, genesis: codec.GenesisHash(g), history: h}, nil
}

// follow reads headers of consecutive heights from one on, each the next of the one before: whoever proves the last one has
// proved them all.
func (p *prover) follow(from chain.Height, raw [][]byte) ([]proved, error) {
	list := make([]proved, len(raw))
	for i, b := range raw {
		h, err := codec.DecodeHeader(b)
		switch at := from + chain.Height(i); {
		case err != nil:
			return nil, fault.Wrap(fault.Corrupt, err, "the header of height %d", at)
		case h.Height != at || h.Chain != p.chain:
			return nil, unproved(reasonNotAsked, "header %d of chain %d stands for height %d", h.Height, h.Chain, at)
		case i > 0 && h.Previous != list[i-1].hash, h.Height == 1 && h.Previous != p.genesis:
			return nil, unproved(reasonBrokenChain, "header %d does not follow the one below it", at)
		}
		list[i] = proved{h, codec.Sum(b)}
	}
	return list, nil
}

// certified checks what proves a header by itself: its certificate, or the headers above it up to the seal of its epoch.
func (p *prover) certified(h proved, certificate []byte) error {
	set := p.history.At(h.Epoch)
	if set == nil {
		return unproved(reasonUnknownEpoch, "header %d is of membership epoch %d, the newest one known is %d", h.Height, h.Epoch, p.history.Current().Epoch())
	}
	if is := p.history.EpochOf(h.Height); is != h.Epoch {
		return unproved(epoch.ReasonOtherEpoch, "header %d is of epoch %d, but its height is of epoch %d", h.Height, h.Epoch, is)
	}
	if codec.IsSealedTail(certificate) {
		return p.sealed(h, certificate)
	}
	c, err := codec.DecodeCertificate(certificate)
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "the certificate of height %d", h.Height)
	}
	return notProved(set.VerifyCertificate(h.ExecutedHeader, h.hash, c))
}

func (p *prover) sealed(h proved, tail []byte) error {
	above, err := codec.DecodeSealedTail(tail)
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "what stands for the certificate of height %d", h.Height)
	}
	err = p.history.VerifySealed(h.ExecutedHeader, h.hash, above)
	if err != nil && fault.ReasonOf(err) == epoch.ReasonNotEnded {
		return unproved(reasonUnknownEpoch, "%v", err)
	}
	return notProved(err)
}

// notProved is an error of a check as one that a validator is to blame for.
func notProved(err error) error {
	if err == nil {
		return nil
	}
	return fault.Reasoned(fault.Corrupt, fault.ReasonOf(err), "%v", err)
}

// extend takes a handover to the next epoch; one that is known already changes nothing.
func (p *prover) extend(raw []byte) error {
	h, err := codec.DecodeProvedHandover(raw)
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "a handover")
	}
	if err := p.history.Extend(h); !fault.Is(err, fault.Conflict) {
		return notProved(err)
	}
	return nil
}

// mayLie is how many members of the present epoch may lie, f: what one more than f say, an honest one says.
func (p *prover) mayLie() int { return (len(p.history.Current().Membership().Members) - 1) / 3 }

// contents is a batch that was checked against its header's line.
type contents struct {
	payload  []byte
	outcomes codec.Outcomes
}

// checkContents checks a batch's payload and packed outcomes against line i of a proved header.
func checkContents(h proved, i uint32, payload, packed []byte) (contents, error) {
	if int64(i) >= int64(len(h.Batches)) {
		return contents{}, unproved(reasonNotAsked, "block %d has no batch %d", h.Height, i)
	}
	line := &h.Batches[i]
	if codec.Sum(payload) != line.Batch {
		return contents{}, unproved(reasonPayload, "the payload is not that of batch %d of block %d", i, h.Height)
	}
	o, err := codec.UnpackOutcomes(packed)
	if err != nil {
		return contents{}, fault.Reasoned(fault.Corrupt, reasonOutcomes, "the outcomes of batch %d of block %d: %v", i, h.Height, err)
	}
	if uint32(len(o.Codes)) != line.Legs || o.Hash() != line.Outcomes {
		return contents{}, unproved(reasonOutcomes, "the outcomes are not those of batch %d of block %d", i, h.Height)
	}
	return contents{payload, o}, nil
}
