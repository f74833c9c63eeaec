// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// postEnds tells a peer that epochs ended otherwise than they did, in one of several ways.
func (l *liar) postEnds(f frame) {
	w := l.n.w
	list, _ := codec.SplitHandovers(f.body)
	if len(list) == 0 || !l.tells(lieEnds, f.to) {
		w.net.send(f)
		return
	}
	l.lied(lieEnds)
	at := w.lieRand.IntN(len(list))
	p, err := codec.DecodeProvedHandover(list[at])
	if err != nil {
		return
	}
	if w.lieRand.IntN(3) == 0 { // one more than there are
		at, list = len(list), append(list, nil)
		p.Next.Epoch++
	} else {
		l.falsifyEnd(p)
	}
	list[at] = codec.AppendProvedHandover(nil, p)
	f.body = codec.AppendHandovers(nil, list...)
	w.net.send(f)
}

// pushEnds tells a peer of ends for which it did not ask.
func (l *liar) pushEnds(to int) {
	var body []byte
	for _, p := range l.n.handovers {
		body = codec.AppendHandovers(body, codec.AppendProvedHandover(nil, p))
	}
	if len(body) > 0 && to != int(l.n.no) {
		l.post(frame{from: int(l.n.no), to: to, kind: frameEnds, body: body})
	}
}

func (l *liar) falsifyEnd(p *chain.ProvedHandover) {
	w := l.n.w
	switch w.lieRand.IntN(4) {
	case 0: // others go on
		p.Next.Members = append([]chain.Member(nil), p.Next.Members...)
		p.Next.Members = append(p.Next.Members[:1], p.Next.Members[2:]...)
	case 1:
		p.Root[0] ^= 1
	default: // one signature too few for a quorum
		quorum := chain.Quorum(len(l.n.members.Members))
		if m := l.n.membersOf(p.Next.Epoch - 1); m != nil {
			quorum = m.Quorum()
		}
		if p.Certificate != nil && len(p.Certificate.Signatures) >= quorum {
			p.Certificate.Signatures = p.Certificate.Signatures[:quorum-1]
		}
		if len(p.Seal) >= quorum {
			p.Seal = p.Seal[:quorum-1]
		}
	}
}
