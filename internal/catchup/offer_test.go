// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"bytes"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// offered is a good offer of height 100.
func offered(t *testing.T) *Offer {
	t.Helper()
	n, l := newNode(t), newLedger(1)
	l.advance(50)
	o := n.offer(n.write(l, 100, false))
	o.Session, o.Sections = 9, n.reader().Sections()
	return o
}

// rewrite changes a header of an offer, and gives the last one a certificate over what it is then.
func rewrite(t *testing.T, o *Offer, i int, change func(*chain.ExecutedHeader)) {
	t.Helper()
	h, err := codec.DecodeHeader(o.Headers[i])
	must(t, err)
	change(h)
	o.Headers[i] = codec.AppendHeader(nil, h)
	if i == chain.RootDelay {
		o.RootCertificate = certify(h, 0, 1, 2)
	}
}

func recertify(t *testing.T, certificate []byte, change func(*chain.Certificate)) []byte {
	t.Helper()
	c, err := codec.DecodeCertificate(certificate)
	must(t, err)
	change(c)
	return codec.AppendCertificate(nil, c)
}

// TestProve takes a good offer, and refuses each of those that differ from it in one thing.
func TestProve(t *testing.T) {
	rules := testRules()
	good := offered(t)
	p, err := good.Prove(&rules)
	if err != nil || p.Height != 100 || p.Root.IsZero() || p.Pages < 40 {
		t.Fatalf("%+v, %v", p, err)
	}
	for name, x := range map[string]struct {
		reason string
		change func(*Offer)
	}{
		"no header":               {"wrong_headers", func(o *Offer) { o.Headers[3] = nil }},
		"another chain":           {"wrong_headers", func(o *Offer) { rewrite(t, o, 0, func(h *chain.ExecutedHeader) { h.Chain++ }) }},
		"another epoch":           {"wrong_headers", func(o *Offer) { rewrite(t, o, 8, func(h *chain.ExecutedHeader) { h.Epoch++ }) }},
		"a changed header inside": {"wrong_headers", func(o *Offer) { rewrite(t, o, 4, func(h *chain.ExecutedHeader) { h.TimeUs++ }) }},
		"a height left out":       {"wrong_headers", func(o *Offer) { o.Headers[4] = o.Headers[5] }},
		"another height's root":   {"wrong_headers", func(o *Offer) { rewrite(t, o, 8, func(h *chain.ExecutedHeader) { h.RootAt-- }) }},
		"no root": {"wrong_headers", func(o *Offer) {
			rewrite(t, o, 8, func(h *chain.ExecutedHeader) { h.RootAt, h.StateRoot = 0, chain.Hash{} })
		}},
		"another proposal": {"wrong_proposal", func(o *Offer) { o.Proposal = codec.AppendProposal(nil, &chain.Proposal{Height: 100}) }},
		"no proposal":      {"wrong_proposal", func(o *Offer) { o.Proposal = nil }},
		"two signers": {"wrong_certificate", func(o *Offer) {
			o.RootCertificate = recertify(t, o.RootCertificate, func(c *chain.Certificate) { c.Signatures = c.Signatures[:2] })
		}},
		"a signer twice": {"wrong_certificate", func(o *Offer) {
			o.RootCertificate = recertify(t, o.RootCertificate, func(c *chain.Certificate) { c.Signatures[1] = c.Signatures[0] })
		}},
		"a signer who is none": {"wrong_certificate", func(o *Offer) {
			o.RootCertificate = recertify(t, o.RootCertificate, func(c *chain.Certificate) { c.Signatures[2].Validator = validators })
		}},
		"a wrong signature": {"wrong_certificate", func(o *Offer) {
			o.Certificate = recertify(t, o.Certificate, func(c *chain.Certificate) { c.Signatures[2].Header[0] ^= 1 })
		}},
		"a wrong signature of the root": {"wrong_certificate", func(o *Offer) {
			o.RootCertificate = recertify(t, o.RootCertificate, func(c *chain.Certificate) { c.Signatures[0].Root[0] ^= 1 })
		}},
		"a certificate of another header": {"wrong_certificate", func(o *Offer) { o.RootCertificate = o.Certificate }},
		"no certificate":                  {"wrong_certificate", func(o *Offer) { o.Certificate = nil }},
		"another root": {"wrong_certificate", func(o *Offer) {
			rewrite(t, o, 8, func(h *chain.ExecutedHeader) { h.StateRoot[0] ^= 1 })
			o.RootCertificate = good.RootCertificate
		}},
		"too many pages": {"too_large", func(o *Offer) {
			o.Sections = append(o.Sections, checkpoint.Section{Number: 1 << 30, RecordBytes: 1, Pages: PagesMaxDefault})
		}},
	} {
		o := *good
		x.change(&o)
		if p, err := o.Prove(&rules); fault.ReasonOf(err) != x.reason || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v; it must be %s", name, p, err, x.reason)
		}
	}
	again := *good
	if q, err := again.Prove(&rules); err != nil || !p.sameState(q) {
		t.Errorf("the same offer again: %v", err)
	}
	again.Sections = again.Sections[1:]
	if q, err := again.Prove(&rules); err != nil || p.sameState(q) {
		t.Errorf("an offer of other sections counts as the same: %v", err)
	}
	if !bytes.Equal(good.Append(nil), p.Append(nil)) {
		t.Error("proving changed the offer")
	}
}
