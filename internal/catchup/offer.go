// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"bytes"
	"cmp"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// PagesMaxDefault bounds the pages of a state that is taken: 16 GiB, whose leaves are 32 MiB.
const PagesMaxDefault = 1 << 20

// Offer says what a peer has, and shows why it may be believed. The state that an epoch begins with is shown by the handover,
// which both sides know: its offer has the first header only.
type Offer struct {
	Session         uint64
	Headers         [chain.RootDelay + 1][]byte // from the height on
	Certificate     []byte                      // of the first header; empty if a seal stands for it
	RootCertificate []byte                      // of the last one; empty for the state that an epoch begins with
	Proposal        []byte                      // of the height
	Sections        []checkpoint.Section
}

// Kind implements Message.
func (*Offer) Kind() uint8 { return KindOffer }

// Append implements Message.
func (o *Offer) Append(dst []byte) []byte {
	dst = le.AppendUint64(dst, o.Session)
	for _, part := range append(o.Headers[:len(o.Headers):len(o.Headers)], o.Certificate, o.RootCertificate, o.Proposal) {
		dst = appendPart(dst, part)
	}
	dst = le.AppendUint16(dst, uint16(len(o.Sections)))
	for _, s := range o.Sections {
		dst = le.AppendUint32(le.AppendUint32(le.AppendUint32(dst, s.Number), s.RecordBytes), s.Pages)
	}
	return dst
}

func (r *reader) offer() *Offer {
	o := &Offer{Session: r.u64()}
	for i := range o.Headers {
		o.Headers[i] = r.part()
	}
	o.Certificate, o.RootCertificate, o.Proposal = r.part(), r.part(), r.part()
	n := r.u16()
	r.bad = r.bad || n > pages.SectionsMax
	for ; n > 0 && !r.bad; n-- {
		s := checkpoint.Section{Number: r.u32(), RecordBytes: r.u32(), Pages: r.u32()}
		ascends := len(o.Sections) == 0 || o.Sections[len(o.Sections)-1].Number < s.Number
		r.bad = r.bad || !ascends || s.RecordBytes == 0 || s.RecordBytes > pages.PageBytes || s.Pages > pages.PagesMax
		o.Sections = append(o.Sections, s)
	}
	return o
}

// Rules are what an offer is proved by.
type Rules struct {
	Chain      chain.ChainID
	Epoch      chain.Epoch
	Validators int // length of a table by validator number
	Quorum     int // 0: of so many validators
	// Verify reports whether all signatures of a certificate are their signers', those of the root in the header included. That
	// the certificate is of the header, and its signers a quorum, was checked before.
	Verify func(h *chain.ExecutedHeader, hash chain.Hash, c *chain.Certificate) bool
	// Begins is the handover by which the epoch began, and Before what Verify is for the epoch before; nil in the first epoch.
	Begins *chain.Handover
	Before func(h *chain.ExecutedHeader, hash chain.Hash, c *chain.Certificate) bool
	// PagesMax bounds the pages of a state. 0: PagesMaxDefault.
	PagesMax uint64
}

// Proved is an offer of which a quorum said that its state root is right.
type Proved struct {
	*Offer
	Height chain.Height
	Root   chain.Hash
	Pages  uint64 // at most
}

// Prove checks all that an offer shows: that its headers are a chain, that a quorum signed the first and the last, and that the
// last one carries the root of the first one's state. Errors are Invalid, by a reason.
func (o *Offer) Prove(rules *Rules) (*Proved, error) {
	if o.begins() {
		return o.proveBeginning(rules)
	}
	headers, err := o.chained(rules)
	if err != nil {
		return nil, err
	}
	first, last := headers[0], headers[chain.RootDelay]
	p := &Proved{Offer: o, Height: first.Height, Root: last.StateRoot}
	if last.RootAt != first.Height {
		return nil, wrong("wrong_headers", "header %d carries the root of height %d, not %d", last.Height, last.RootAt, first.Height)
	}
	if err := p.complete(rules, first); err != nil {
		return nil, err
	}
	if err := rules.certified(first, o.Headers[0], o.Certificate); err != nil {
		return nil, err
	}
	return p, rules.certified(last, o.Headers[chain.RootDelay], o.RootCertificate)
}

// begins reports whether the offer is of the state that an epoch begins with.
func (o *Offer) begins() bool { return len(o.Headers[1]) == 0 && len(o.RootCertificate) == 0 }

// proveBeginning checks an offer against the handover, which a quorum of the epoch before signed.
func (o *Offer) proveBeginning(rules *Rules) (*Proved, error) {
	h, err := codec.DecodeHeader(o.Headers[0])
	if err != nil {
		return nil, wrong("wrong_headers", "%v", err)
	}
	hash := codec.Sum(o.Headers[0])
	if rules.Begins == nil || rules.Begins.Header != hash {
		return nil, wrong("wrong_headers", "epoch %d does not begin behind header %s of height %d", rules.Epoch, hash, h.Height)
	}
	for _, rest := range o.Headers[1:] {
		if len(rest) > 0 {
			return nil, wrong("wrong_headers", "headers are left out between others")
		}
	}
	if len(o.Certificate) > 0 {
		c, err := codec.DecodeCertificate(o.Certificate)
		if err != nil || c.Header != hash || c.Height != h.Height || !rules.Before(h, hash, c) {
			return nil, wrong("wrong_certificate", "the certificate is not of height %d", h.Height)
		}
	}
	p := &Proved{Offer: o, Height: h.Height, Root: rules.Begins.Root}
	return p, p.complete(rules, h)
}

// complete checks the rest of an offer, whose first header is known to be right.
func (p *Proved) complete(rules *Rules, first *chain.ExecutedHeader) error {
	proposal, err := codec.DecodeProposal(p.Proposal)
	if err != nil || codec.Sum(p.Proposal) != first.Proposal || proposal.Height != first.Height {
		return wrong("wrong_proposal", "the proposal is not that of height %d", first.Height)
	}
	for _, s := range p.Sections {
		p.Pages += uint64(s.Pages)
	}
	if most := rules.pagesMax(); p.Pages > most {
		return wrong("too_large", "the state has %d pages, more than %d", p.Pages, most)
	}
	return nil
}

// Ahead is the headers after the first one, which the state's adopter needs; none for the state that an epoch begins with.
func (p *Proved) Ahead() [][]byte {
	if p.begins() {
		return nil
	}
	return p.Headers[1:]
}

func (r *Rules) pagesMax() uint64 {
	if r.PagesMax == 0 {
		return PagesMaxDefault
	}
	return r.PagesMax
}

// chained decodes the headers, each of which names the one before.
func (o *Offer) chained(rules *Rules) ([]*chain.ExecutedHeader, error) {
	list := make([]*chain.ExecutedHeader, len(o.Headers))
	for i, raw := range o.Headers {
		h, err := codec.DecodeHeader(raw)
		switch {
		case err != nil:
			return nil, wrong("wrong_headers", "%v", err)
		case h.Chain != rules.Chain || h.Epoch != rules.Epoch:
			return nil, wrong("wrong_headers", "a header of chain %d in epoch %d", h.Chain, h.Epoch)
		case h.Height == 0 || i > 0 && (h.Height != list[i-1].Height+1 || h.Previous != codec.Sum(o.Headers[i-1])):
			return nil, wrong("wrong_headers", "the header of height %d does not follow the one before", h.Height)
		}
		list[i] = h
	}
	return list, nil
}

// certified checks that a certificate is of a header and holds valid signatures of a quorum, each validator once.
func (r *Rules) certified(h *chain.ExecutedHeader, headerBytes, certBytes []byte) error {
	hash := codec.Sum(headerBytes)
	c, err := codec.DecodeCertificate(certBytes)
	if err != nil {
		return wrong("wrong_certificate", "%v", err)
	}
	if c.Header != hash || c.Height != h.Height || c.Epoch != h.Epoch || len(c.Signatures) < cmp.Or(r.Quorum, chain.Quorum(r.Validators)) {
		return wrong("wrong_certificate", "%d validators signed %s for height %d", len(c.Signatures), c.Header, c.Height)
	}
	for i, s := range c.Signatures {
		if int(s.Validator) >= r.Validators || i > 0 && s.Validator <= c.Signatures[i-1].Validator {
			return wrong("wrong_certificate", "signer %d of the certificate of height %d is out of place", i, c.Height)
		}
	}
	if !r.Verify(h, hash, c) {
		return wrong("wrong_certificate", "a signature of the certificate of height %d is wrong", c.Height)
	}
	return nil
}

func wrong(reason, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, reason, format, args...)
}

// sameState reports whether two offers are of the same pages.
func (p *Proved) sameState(q *Proved) bool {
	if p.Height != q.Height || p.Root != q.Root || len(p.Sections) != len(q.Sections) {
		return false
	}
	for i := range p.Sections {
		if p.Sections[i] != q.Sections[i] {
			return false
		}
	}
	return bytes.Equal(p.Headers[chain.RootDelay], q.Headers[chain.RootDelay])
}
