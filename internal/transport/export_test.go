// SPDX-License-Identifier: Apache-2.0

package transport

import "github.com/aurigraph/aurigraph/internal/chain"

// HandshakesMax is the bound of Pending.
const HandshakesMax = handshakesMax

// SetRecordsMax lowers how many records a connection seals before its keys are made anew.
func (o *Options) SetRecordsMax(n int64) { o.recordsMax = n }

// Pending is how many connections have not said yet who they are.
func (t *TCP) Pending() int {
	t.handshakes.mu.Lock()
	defer t.handshakes.mu.Unlock()
	return t.handshakes.conns.Len()
}

// Hello is the first message of a dialer.
type Hello struct {
	Version          uint16
	Class            Class
	Sender, Receiver chain.ValidatorNo
	Chain            chain.ChainID
}

// Bytes are the message's.
func (h Hello) Bytes() []byte {
	return hello{version: h.Version, class: h.Class, sender: h.Sender, receiver: h.Receiver, chain: h.Chain, epoch: 1}.encode()
}

// Verdict is the reason in an answer.
func Verdict(answer []byte) (string, error) {
	h, err := decodeHello(answer)
	return h.verdict.reason(), err
}

// Records is how many TLS records the present connection to a peer wrote.
func (t *TCP) Records(to chain.ValidatorNo, class Class) int64 {
	l := (*t.peers.Load())[to].links[class]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return 0
	}
	return l.conn.wire.records.Load()
}
