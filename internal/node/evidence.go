// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/store"
)

// evidencePerValidatorMax bounds the pieces of evidence on each validator that are kept. The first ones are; those after
// them are counted.
const evidencePerValidatorMax = 64

// evidenceBook is the evidence that this node found, in this life and earlier ones. What is found is shown at once, and soon
// on disk. It is safe for concurrent use.
type evidenceBook struct {
	store   store.Store
	refused *prometheus.CounterVec
	kept    prometheus.Gauge
	rows    chan evidenceRow // never full: each piece that is kept passes once

	mu      sync.Mutex
	known   map[store.EvidenceKey]bool // guarded by mu
	about   map[chain.ValidatorNo]int  // guarded by mu; pieces kept on each validator
	headers []query.Evidence           // guarded by mu; two headers of one height, oldest first
	lanes   []query.Evidence           // guarded by mu; the others
}

// evidenceRow is a piece that is kept and not on disk yet.
type evidenceRow struct {
	key    store.EvidenceKey
	record []byte
}

// openEvidence reads back what earlier lives found. A record that proves nothing to this node is passed over and counted; it
// stays where it is, for a person to look at.
func (n *Node) openEvidence(context.Context) error {
	if !n.several() {
		return nil
	}
	b := &evidenceBook{
		store: n.store, rows: make(chan evidenceRow, chain.ValidatorsMax*evidencePerValidatorMax),
		known: map[store.EvidenceKey]bool{}, about: map[chain.ValidatorNo]int{},
		kept: prometheus.NewGauge(prometheus.GaugeOpts{Name: "aurigraph_evidence_kept", Help: "Pieces of evidence on other validators that this node keeps."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_evidence_refused_total", Help: "Pieces of evidence that are not kept, and records of it that were not read back, by reason.",
		}, []string{"reason"}),
	}
	if _, err := obs.Register(n.metrics, "the evidence", b.kept, b.refused); err != nil {
		return err
	}
	n.evidenceBook = b
	return store.EachEvidence(n.store, func(k store.EvidenceKey, record []byte) error {
		shown, err := n.readEvidence(k, record)
		if err == nil {
			err = b.take(k, shown)
		}
		if err != nil {
			b.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
			n.log.Warn("a record of evidence is passed over", obs.KeyPeer, k.Validator, obs.KeyEpoch, uint64(k.Epoch), "place", k.Place, obs.Err(err))
		}
		return nil
	})
}

// readEvidence verifies a record again: what is on a disk is no proof by itself.
func (n *Node) readEvidence(k store.EvidenceKey, record []byte) (query.Evidence, error) {
	if k.Kind != store.EvidenceHeaders {
		e, err := spread.DecodeEvidence(record)
		if err == nil && laneKey(e) != k {
			err = fault.Reasoned(fault.Invalid, "malformed", "the record is not of its key")
		}
		if err != nil {
			return query.Evidence{}, err
		}
		return laneEvidence(e), nil
	}
	e, err := certify.DecodeEvidence(record)
	if err != nil {
		return query.Evidence{}, err
	}
	if headersKey(e) != k {
		return query.Evidence{}, fault.Reasoned(fault.Invalid, "malformed", "the record is not of its key")
	}
	set := n.epochs.At(e.First.Epoch)
	if set == nil {
		return query.Evidence{}, fault.Reasoned(fault.Invalid, "unknown_epoch", "epoch %d is not known here", e.First.Epoch)
	}
	return headersEvidence(e), certify.Of(set).VerifyEvidence(e)
}

func headersKey(e *certify.Evidence) store.EvidenceKey {
	v := &e.First
	return store.EvidenceKey{Kind: store.EvidenceHeaders, Validator: v.Validator, From: v.Validator, Epoch: v.Epoch, Place: uint64(v.Height)}
}

func laneKey(e *spread.Evidence) store.EvidenceKey {
	return store.EvidenceKey{Kind: uint8(e.Kind), Validator: e.Lane, From: e.From, Epoch: e.Epoch, Place: e.Sequence}
}

// foundHeaders keeps two signed headers of one height. It does not wait.
func (b *evidenceBook) foundHeaders(e certify.Evidence) {
	b.keep(headersKey(&e), headersEvidence(&e), func() []byte { return certify.AppendEvidence(nil, &e) })
}

// foundLane keeps what contradicts itself about a lane. It does not wait.
func (b *evidenceBook) foundLane(e spread.Evidence) {
	b.keep(laneKey(&e), laneEvidence(&e), func() []byte { return spread.AppendEvidence(nil, &e) })
}

func (b *evidenceBook) keep(k store.EvidenceKey, shown query.Evidence, record func() []byte) {
	if err := b.take(k, shown); err != nil {
		b.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
		return
	}
	b.rows <- evidenceRow{k, record()}
}

// take puts a piece among those that are shown. Refused: it is there, also from an earlier life, or there are too many.
func (b *evidenceBook) take(k store.EvidenceKey, shown query.Evidence) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case int(k.Validator) >= chain.ValidatorsMax:
		return fault.Reasoned(fault.Refused, "unknown_validator", "there is no validator %d", k.Validator)
	case b.known[k]:
		return fault.Reasoned(fault.Refused, "known", "it is kept already")
	case b.about[k.Validator] >= evidencePerValidatorMax:
		return fault.Reasoned(fault.Refused, "full", "more than %d pieces on validator %d", evidencePerValidatorMax, k.Validator)
	}
	b.known[k] = true
	b.about[k.Validator]++
	b.kept.Inc()
	if k.Kind == store.EvidenceHeaders {
		b.headers = append(b.headers, shown)
	} else {
		b.lanes = append(b.lanes, shown)
	}
	return nil
}

// list is what is shown, two headers of one height first.
func (b *evidenceBook) list() []query.Evidence {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append(append([]query.Evidence(nil), b.headers...), b.lanes...)
}

// run makes durable what is found, until ctx ends and all of it is. Halted: the store failed.
func (b *evidenceBook) run(ctx context.Context) error {
	for {
		select {
		case r := <-b.rows:
			if err := b.write(r); err != nil {
				return err
			}
		case <-ctx.Done():
			return b.flush()
		}
	}
}

func (b *evidenceBook) flush() error {
	for {
		select {
		case r := <-b.rows:
			if err := b.write(r); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (b *evidenceBook) write(r evidenceRow) error {
	var changes store.Changes
	store.WriteEvidence(&changes, r.key, r.record)
	return fault.Halt(b.store.Apply(&changes, true), "keep evidence on validator %d", r.key.Validator)
}

// headersEvidence is of votes that their signer sent itself: no other sender's are taken.
func headersEvidence(e *certify.Evidence) query.Evidence {
	return query.Evidence{
		Kind: evidenceTwoHeaders, Validator: e.First.Validator, From: e.First.Validator, Height: e.First.Height,
		First: e.First.Hash, Second: e.Second.Hash,
	}
}

func laneEvidence(e *spread.Evidence) query.Evidence {
	out := query.Evidence{Kind: e.Kind.String(), Validator: e.Lane, From: e.From, Sequence: e.Sequence, Second: e.Digest}
	if e.Ours != (chain.LaneEntry{}) {
		out.First = codec.EntryDigest(e.Ours)
	}
	return out
}
