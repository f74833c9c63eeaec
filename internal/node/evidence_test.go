// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/store"
)

// forkOf is evidence that a validator forked its lane.
func forkOf(v chain.ValidatorNo, sequence uint64) spread.Evidence {
	e := spread.Evidence{Kind: spread.EvidenceFork, Lane: v, Epoch: 1, Sequence: sequence, From: v}
	e.Ours = chain.LaneEntry{Validator: v, JoinEpoch: 1, Sequence: sequence, Kind: chain.PayloadBatch, Payload: chain.Hash{1}, Bytes: 9}
	e.Theirs = e.Ours
	e.Theirs.Payload = chain.Hash{2}
	e.Digest = codec.EntryDigest(e.Theirs)
	return e
}

// signedTwice is evidence of two headers; signer need not be who it is about.
func (c *cluster) signedTwice(v, signer chain.ValidatorNo, h chain.Height) certify.Evidence {
	c.t.Helper()
	vote := func(hash chain.Hash) certify.Vote {
		x := certify.Vote{Epoch: 1, Height: h, Validator: v, Hash: hash}
		var err error
		x.Signature, err = c.headerKey(signer).Sign(keys.HeaderMessage(testChain, hash))
		must(c.t, err)
		return x
	}
	return certify.Evidence{First: vote(chain.Hash{1}), Second: vote(chain.Hash{2})}
}

// headerKey is a validator's key for headers, as newCluster makes it.
func (c *cluster) headerKey(v chain.ValidatorNo) keys.Signer {
	return signer(c.t, keys.Ed25519, byte(10+int(v)))
}

func (b *evidenceBook) count(reason string) float64 {
	var m dto.Metric
	if err := b.refused.WithLabelValues(reason).(prometheus.Metric).Write(&m); err != nil {
		panic(err)
	}
	return m.GetCounter().GetValue()
}

// TestEvidenceOutlivesARestart finds two headers and a forked lane, and wants both to be known after a restart, once.
func TestEvidenceOutlivesARestart(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 5)
	c.agree()
	c.lie(1)
	judge := c.nodes[2]
	judge.evidenceBook.foundLane(forkOf(3, 7))
	before, _ := judge.evidence()
	if len(before) != 2 || before[0].Kind != evidenceTwoHeaders || before[1].Kind != "fork" {
		t.Fatalf("it found %+v", before)
	}
	c.halt(2)
	c.start(2)
	judge = c.nodes[2]
	if after, _ := judge.evidence(); !slices.Equal(after, before) {
		t.Errorf("after a restart it knows\n%+v, before\n%+v", after, before)
	}
	judge.evidenceBook.foundLane(forkOf(3, 7))
	if after, _ := judge.evidence(); len(after) != 2 || judge.evidenceBook.count("known") != 1 {
		t.Errorf("a piece found again is there twice: %+v", after)
	}
}

// TestEvidenceIsVerifiedAgain has records that prove nothing: they are passed over, each with its reason.
func TestEvidenceIsVerifiedAgain(t *testing.T) {
	c := newCluster(t, 4)
	n := c.folders[2].open()
	var changes store.Changes
	good, forged, old := c.signedTwice(1, 1, 9), c.signedTwice(1, 3, 10), c.signedTwice(1, 1, 11)
	old.First.Epoch, old.Second.Epoch = 7, 7
	for _, e := range []certify.Evidence{good, forged, old} {
		store.WriteEvidence(&changes, headersKey(&e), certify.AppendEvidence(nil, &e))
	}
	other := headersKey(&good)
	other.Place++
	other.Validator = 3
	store.WriteEvidence(&changes, other, certify.AppendEvidence(nil, &good))
	fork := forkOf(3, 7)
	store.WriteEvidence(&changes, laneKey(&fork), spread.AppendEvidence(nil, &fork)[:40])
	for sequence := range uint64(evidencePerValidatorMax + 3) {
		e := forkOf(0, sequence+1)
		store.WriteEvidence(&changes, laneKey(&e), spread.AppendEvidence(nil, &e))
	}
	must(t, n.store.Apply(&changes, true))
	must(t, n.Close())

	n = c.folders[2].open()
	list := n.evidenceBook.list()
	if len(list) != 1+evidencePerValidatorMax || list[0] != headersEvidence(&good) {
		t.Errorf("%d pieces: %+v", len(list), list[:1])
	}
	for reason, want := range map[string]float64{"wrong_signature": 1, "unknown_epoch": 1, "malformed": 2, "full": 3} {
		if have := n.evidenceBook.count(reason); have != want {
			t.Errorf("%s: %g, must be %g", reason, have, want)
		}
	}
	if !strings.Contains(n.log.String(), "a record of evidence is passed over") {
		t.Error("the log does not say so")
	}
	must(t, n.Close())
}

// TestEvidenceIsBounded finds more than is kept on a validator, and has it on disk when it ends.
func TestEvidenceIsBounded(t *testing.T) {
	c := newCluster(t, 4)
	n := c.folders[2].open()
	for sequence := range uint64(evidencePerValidatorMax + 3) {
		n.evidenceBook.foundLane(forkOf(0, sequence+1))
	}
	n.evidenceBook.foundLane(forkOf(chain.ValidatorsMax, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, n.evidenceBook.run(ctx))
	rows := 0
	must(t, store.EachEvidence(n.store, func(store.EvidenceKey, []byte) error { rows++; return nil }))
	if rows != evidencePerValidatorMax || n.evidenceBook.count("full") != 3 || n.evidenceBook.count("unknown_validator") != 1 {
		t.Errorf("%d rows, %g refused", rows, n.evidenceBook.count("full"))
	}
	must(t, n.Close())
}
