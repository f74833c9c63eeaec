// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"iter"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Kinds of records in the vote log. FORMAT.md draws them.
const (
	recordVote    uint8 = 1 // of older programs: a vote
	recordDecided uint8 = 2 // a vote, and what was decided
)

// Record is one record of the vote log.
type Record struct {
	Seq  uint64 // number of the record in the log, from 1
	Kind uint8
	Meta []byte
}

// Start is where the host's state stands when the log is read.
type Start struct {
	Self      chain.ValidatorNo
	Epoch     chain.Epoch
	Published chain.Height // newest height that the host published; it signed no higher one without a record
	// Fetched is the height of a checkpoint that the host took from a peer: the log may end below it.
	Fetched chain.Height
}

// Recovered is what a vote log told.
type Recovered struct {
	votes map[chain.Height]*Vote // of this epoch, above the published height
	floor chain.Height           // what was signed in this epoch below it is not known any more
	last  chain.Height           // newest one signed in this epoch
}

// Recover reads the records of a vote log, oldest first. Corrupt: a damaged record, another validator's log, or one that
// lost its end.
func Recover(start Start, records iter.Seq[Record]) (*Recovered, error) {
	r := &Recovered{votes: map[chain.Height]*Vote{}}
	var before *Vote
	for rec := range records {
		v, err := decodeRecord(rec, start)
		if err != nil {
			return nil, err
		}
		if before != nil && (v.Epoch < before.Epoch || v.Epoch == before.Epoch && v.Height <= before.Height) {
			return nil, fault.New(fault.Corrupt, "vote log: height %d of epoch %d was signed after height %d of epoch %d", v.Height, v.Epoch, before.Height, before.Epoch)
		}
		if v.Epoch == start.Epoch {
			if before == nil && rec.Seq > 1 {
				r.floor = v.Height
			}
			r.last = v.Height
			if v.Height > start.Published {
				r.votes[v.Height] = v
			}
		}
		before = v
	}
	otherEpoch := before != nil && before.Epoch != start.Epoch
	if r.last < start.Published && start.Fetched < start.Published && !otherEpoch {
		return nil, fault.New(fault.Corrupt, "the vote log ends at height %d, height %d is published already: restore the folder from a copy, or join again as a new validator", r.last, start.Published)
	}
	return r, nil
}

func decodeRecord(rec Record, start Start) (*Vote, error) {
	v, err := ParseRecord(rec.Kind, rec.Meta)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "vote log: record %d", rec.Seq)
	}
	if v.Validator != start.Self || v.Epoch > start.Epoch {
		return nil, fault.New(fault.Corrupt, "vote log: record %d is of validator %d in epoch %d, this is validator %d in epoch %d: give the node its own folder", rec.Seq, v.Validator, v.Epoch, start.Self, start.Epoch)
	}
	return v, nil
}
