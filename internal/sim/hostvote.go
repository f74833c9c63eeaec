// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// stepCertify steps the certifier's core and does what it says.
func (n *replica) stepCertify(inputs ...certify.Input) {
	if !n.up || n.halted != "" {
		return
	}
	out, err := n.certify.Step(inputs...)
	if out.Diverged != nil {
		n.wrongAt = out.Diverged.Own.Height
	}
	if err != nil {
		n.diverge(err)
		return
	}
	for i := range out.Persist {
		n.writeVote(&out.Persist[i])
	}
	for _, s := range out.Send {
		n.post(int(s.To), frameCertify, s.Frame)
	}
	for _, s := range out.Serve {
		if x := n.blocks.list[s.Height]; x != nil && x.certificate != nil {
			n.post(int(s.To), frameCertify, certify.AppendFrame(nil, certify.Message{Certificate: x.certificate}))
		}
	}
	for _, e := range out.Evidence {
		n.keepEvidence(e)
	}
}

// diverge stops a node that signed what a quorum did not. It goes on from a checkpoint above that height.
func (n *replica) diverge(err error) {
	wrong := n.wrongAt
	n.halt("certifying: %v", err)
	if n.halted != "" && wrong != 0 {
		n.fetchState(wrong+1, false)
	}
}

func (n *replica) keepEvidence(e certify.Evidence) {
	n.w.check.evidence(n, &e)
	n.w.see(seenEvidence, 1)
	if n.up && n.bug() != bugEvidenceDropped {
		n.disk.evidence = append(n.disk.evidence, e)
	}
}

func (n *replica) writeVote(v *certify.Vote) {
	height := v.Height
	signed := func(seglog.Pos) { n.stepCertify(certify.Signed{Height: height}) }
	frame := certify.AppendFrame(nil, certify.Message{Vote: v})
	rec := record{kind: voteRecord, meta: frame[1:]} // a record is a frame without its kind
	if n.bug() == bugVoteBeforePersist {
		for to := range n.w.nodes {
			if to != int(n.no) {
				n.post(to, frameCertify, frame)
			}
		}
	}
	if n.bug() == bugVoteUnsynced {
		n.votes.append(rec, nil)
		n.after(1, func() { signed(seglog.Pos{}) })
		return
	}
	n.votes.append(rec, signed)
}

// voteRecord is the kind of a record of the vote log, as its FORMAT.md says.
const voteRecord = 1

// voteHeight reads the height of a record of the vote log.
func voteHeight(r *record) chain.Height { return chain.Height(binary.LittleEndian.Uint64(r.meta[8:])) }

// receiveCertify verifies a message of a peer and gives it to the core.
func (n *replica) receiveCertify(f *frame) {
	m, err := certify.ParseFrame(f.body)
	if err != nil {
		return
	}
	from := chain.ValidatorNo(f.from)
	switch {
	case m.Vote != nil:
		n.receiveVote(from, m.Vote)
	case m.Certificate != nil:
		n.receiveCertificate(from, m.Certificate)
	default:
		n.stepCertify(certify.Wanted{From: from, Height: m.Wanted})
	}
}

func (n *replica) receiveVote(from chain.ValidatorNo, v *certify.Vote) {
	if n.certify.Admit(from, v) != "" {
		return
	}
	if !n.isRight(v) {
		return
	}
	n.stepCertify(certify.Received{From: from, Vote: *v})
	if n.bug() == bugVoteCountedTwice {
		other := *v
		other.Validator = chain.ValidatorNo(nextMember(n.members, int(from)))
		n.stepCertify(certify.Received{From: other.Validator, Vote: other})
	}
	n.w.check.heard(n, v)
}

func (n *replica) receiveCertificate(from chain.ValidatorNo, x *chain.Certificate) {
	if n.certify.AdmitCertificate(from, x) != "" {
		return
	}
	var header *chain.ExecutedHeader
	if own := n.results[x.Height]; own != nil && own.hash == x.Header {
		header = own.header
	}
	if n.w.keys.verifySignatures(n.members, x, header) {
		n.stepCertify(certify.ReceivedCertificate{From: from, Certificate: x})
	}
}

// publishNext publishes the next height if it has its certificate.
func (n *replica) publishNext() bool {
	h := n.blocks.head + 1
	x := n.results[h]
	if x == nil {
		return false
	}
	x.certificate = n.certify.Certificate(h)
	if x.certificate == nil && n.bug() != bugPublishedUncertified || n.ends(h) && n.losesPower() {
		return false
	}
	delete(n.results, h)
	n.blocks.put(x)
	n.w.check.publishedBy(n, x)
	n.stepCertify(certify.Published{Height: h})
	n.answerClients(x)
	n.rootCertified(x.header)
	if n.up && n.ends(h) && x.certificate != nil {
		n.handOver(x)
	}
	return n.up
}

// answerClients tells those who wait here what became of their batches. A node that went on from a peer's state knows the headers
// before it alone: it must not tell a client that a batch is stale which one of them may have executed.
func (n *replica) answerClients(x *block) {
	for _, line := range x.header.Batches {
		delete(n.inLane, line.Batch) // a client may try again what was refused
		r := n.requests[line.Batch]
		if r == nil || n.liar != nil {
			continue
		}
		delete(n.requests, line.Batch)
		at := n.blocks.find(line.Batch)
		switch {
		case at != nil:
			n.w.crowd.answer(r, n, at, at.outcomes[line.Batch])
		case !n.blocks.mayHave(&line) || n.bug() == bugStaleGuessed:
			n.w.crowd.refuse(r, n, x)
		}
	}
}
