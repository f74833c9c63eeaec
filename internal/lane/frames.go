// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"
	"io"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// step runs the core over what happened and does what it says. The caller holds mu.
func (r *Relay) step(inputs ...spread.Input) []spread.Verdict {
	out := r.core.Step(inputs...)
	r.full.Store(out.Backpressure)
	for _, s := range out.Send {
		r.send(s)
	}
	for _, s := range out.SendExecuted {
		r.queue(errand{to: s.To, digest: s.Digest, height: s.Height, index: s.Index})
	}
	for _, a := range out.Acks {
		r.cfg.Peers.Send(a.To, spread.KindAck, spread.AppendPositions(nil, a.Positions))
	}
	for _, a := range out.Asks {
		r.metrics.asked.Inc()
		r.cfg.Peers.Send(a.To, spread.KindAsk, spread.AppendAsk(nil, a.Ask))
	}
	for _, d := range out.Offer {
		r.cfg.Offer(d)
	}
	for _, word := range out.Refused {
		r.metrics.refused.WithLabelValues(word).Inc()
	}
	for _, e := range out.Evidence {
		r.reportEvidence(e)
	}
	return out.Verdicts
}

func (r *Relay) reportEvidence(e spread.Evidence) {
	r.metrics.evidence.Inc()
	r.cfg.Logger.Error("a validator's lane contradicts itself, or what is said of it", obs.KeyPeer, e.Lane, "kind", e.Kind.String(), "sequence", e.Sequence, "from", e.From)
	if r.cfg.OnEvidence != nil {
		r.cfg.OnEvidence(e)
	}
	if e.Kind == spread.EvidenceAhead && e.Lane == r.cfg.Self {
		r.cfg.OnFailed(fault.New(fault.Halted, "validator %d holds entry %d of this validator's own lane, which ends before: the disk lost it; restore the folder from a copy, or join again as a new validator", e.From, e.Sequence))
	}
}

// send sends an entry from memory, or else in its turn from the log. Entries to one peer keep their order. The caller holds
// mu.
func (r *Relay) send(s spread.SendEntry) {
	if r.reading[s.To] == 0 {
		if stored, body := r.lend(s.Digest); body != nil {
			r.sendBody(s.To, stored, body)
			return
		}
	}
	r.queue(errand{to: s.To, digest: s.Digest})
}

// errand is an entry to be read back from the log for a peer. height and index are where the peer says that it was executed;
// height 0: it does not say.
type errand struct {
	to     chain.ValidatorNo
	digest chain.Hash
	height chain.Height
	index  uint32
}

// queue lets an entry be read back in its turn. The caller holds mu.
func (r *Relay) queue(e errand) {
	select {
	case r.fromLog <- e:
		r.reading[e.to]++
	default:
		r.metrics.refused.WithLabelValues("from_log_full").Inc()
	}
}

func (r *Relay) sendFromLog(e errand) {
	defer func() {
		r.mu.Lock()
		r.reading[e.to]--
		r.mu.Unlock()
	}()
	if stored, body := r.lend(e.digest); body != nil {
		r.sendBody(e.to, stored, body)
		return
	}
	at, ok := r.find(e)
	if !ok {
		r.metrics.refused.WithLabelValues("not_here").Inc()
		return
	}
	stored, err := r.readBack(at)
	if err == nil && stored.Digest != e.digest {
		err = fault.New(fault.NotFound, "another entry was executed there")
	}
	if err != nil {
		r.metrics.refused.WithLabelValues("not_read").Inc()
		r.damaged(err)
		return
	}
	r.sendBody(e.to, stored, memory(stored.bytes))
}

// damaged tells of what the log could not give.
func (r *Relay) damaged(err error) {
	if r.cfg.OnDamaged != nil {
		r.cfg.OnDamaged(err)
	}
}

// find tells where an entry lies.
func (r *Relay) find(e errand) (seglog.Pos, bool) {
	at, ok := r.place(e.digest)
	if !ok {
		at, ok = r.placeOfOlder(e.digest)
	}
	if !ok && e.height != 0 && r.cfg.ExecutedAt != nil {
		return r.cfg.ExecutedAt(e.height, e.index)
	}
	return at, ok
}

// memory is a payload that the collector frees.
type memory []byte

// Payload is the bytes.
func (m memory) Payload() []byte { return m }

// Release does nothing.
func (m memory) Release() {}

func (r *Relay) sendBody(to chain.ValidatorNo, s *Stored, body Body) {
	r.metrics.sent.Inc()
	r.cfg.Peers.SendEntry(to, spread.AppendEntryHead(nil, &spread.EntryHead{Entry: s.Entry, Key: s.Key, Signature: s.Signature}), body)
}

// Receive takes a frame of a peer, of so many bytes from f. It waits while there is no memory for a payload, or no room on
// the disk: the peer is held up, and nobody else. An error ends the peer's connection.
func (r *Relay) Receive(from chain.ValidatorNo, kind uint8, bytes int, f io.Reader) error {
	switch kind {
	case spread.KindEntry:
		return r.receiveEntry(from, bytes, f)
	case spread.KindAck, spread.KindAsk, spread.KindAskExecuted:
		frame := make([]byte, bytes)
		if _, err := io.ReadFull(f, frame); err != nil {
			return err
		}
		return r.receiveWord(from, kind, frame)
	}
	return fault.Reasoned(fault.Invalid, "malformed", "lane frame of kind %d", kind)
}

func (r *Relay) receiveWord(from chain.ValidatorNo, kind uint8, frame []byte) error {
	var inputs []spread.Input
	switch kind {
	case spread.KindAsk:
		ask, err := spread.DecodeAsk(frame)
		if err != nil {
			return err
		}
		inputs = append(inputs, spread.Asked{From: from, Ask: ask})
	case spread.KindAskExecuted:
		ask, err := spread.DecodeAskExecuted(frame)
		if err != nil {
			return err
		}
		inputs = append(inputs, spread.AskedExecuted{From: from, AskExecuted: ask})
	default:
		positions, err := spread.DecodePositions(frame)
		if err != nil {
			return err
		}
		for _, p := range positions {
			inputs = append(inputs, spread.Ack{From: from, Position: p})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step(inputs...)
	return nil
}

func (r *Relay) receiveEntry(from chain.ValidatorNo, bytes int, f io.Reader) error {
	head, err := ReadHead(bytes, f)
	if err != nil {
		return err
	}
	digest := codec.EntryDigest(head.Entry)
	if _, here := r.place(digest); here {
		r.judge(from, &head.Entry, digest) // its payload need not be read again
		return nil
	}
	buf, err := r.memory(int(head.Entry.Bytes))
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(f, buf.Payload()); err != nil {
		buf.Release()
		return err
	}
	if err := r.cfg.Check(head, buf.Payload()); err != nil {
		buf.Release()
		r.refuse(from, &head.Entry, err)
		return nil
	}
	buf.Seal()
	if !r.judge(from, &head.Entry, digest) {
		buf.Release()
		return nil
	}
	return r.store(&Stored{Entry: head.Entry, Digest: digest, Key: head.Key, Signature: head.Signature, buffer: buf, bytes: buf.Payload()})
}

// ReadHead reads the head from an entry's frame of so many bytes. Errors: Invalid, and those of f.
func ReadHead(bytes int, f io.Reader) (*spread.EntryHead, error) {
	var length [2]byte
	if _, err := io.ReadFull(f, length[:]); err != nil {
		return nil, err
	}
	n, err := spread.EntryHeadBytes(length)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, n)
	copy(raw, length[:])
	if _, err := io.ReadFull(f, raw[2:]); err != nil {
		return nil, err
	}
	head, err := spread.DecodeEntryHead(raw)
	if err != nil {
		return nil, err
	}
	if int(head.Entry.Bytes) != bytes-n || head.Entry.Bytes > chain.BatchBytesMax {
		return nil, fault.Reasoned(fault.Invalid, "malformed", "lane frame: an entry of %d bytes in a frame of %d", head.Entry.Bytes, bytes)
	}
	return &head, nil
}

// memory lends memory for a payload. What is on disk and not executed yet gives its memory up for it.
func (r *Relay) memory(n int) (*seglog.Buffer, error) {
	for {
		buf, err := r.cfg.Pool.TryGet(n)
		if err == nil {
			return buf, nil
		}
		if r.shed() {
			continue
		}
		wait, cancel := context.WithTimeout(r.ctx, r.cfg.TickInterval)
		buf, err = r.cfg.Pool.Get(wait, n)
		cancel()
		if err == nil || r.ctx.Err() != nil {
			return buf, err
		}
	}
}

// judge asks the core for its verdict on an entry, and counts it. A known one may be accepted that is on disk.
func (r *Relay) judge(from chain.ValidatorNo, e *chain.LaneEntry, digest chain.Hash) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.step(spread.PeerEntry{From: from, Entry: *e}) {
		if v.Digest != digest {
			continue
		}
		if v.Refused != "" {
			r.metrics.refused.WithLabelValues(v.Refused).Inc()
			return false
		}
	}
	if _, here := r.place(digest); here {
		r.step(spread.PeerStored{Lane: e.Validator, Sequence: e.Sequence, Digest: digest})
		return false
	}
	r.metrics.accepted.Inc()
	return true
}

func (r *Relay) refuse(from chain.ValidatorNo, e *chain.LaneEntry, err error) {
	r.metrics.refused.WithLabelValues("payload").Inc()
	if !fault.Is(err, fault.TryLater) {
		r.cfg.Logger.Error("a peer sent an entry whose payload no honest door takes", obs.KeyPeer, from, "lane", e.Validator, "sequence", e.Sequence, obs.Err(err))
	}
}

// fullDiskDelay is the pause before a full disk is tried again.
const fullDiskDelay = 100 * time.Millisecond

// store writes an accepted entry, waiting while the disk is full.
func (r *Relay) store(s *Stored) error {
	buf := s.buffer
	defer buf.Release()
	for {
		buf.Retain() // for write, which gives it up when it fails
		err := r.write(r.ctx, s)
		if err == nil || !fault.Is(err, fault.TryLater) || r.ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(fullDiskDelay):
		case <-r.ctx.Done():
		}
	}
}
