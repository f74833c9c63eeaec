// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/binary"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// StateProof proves records of executed state under the state root that a certified header carries.
type StateProof struct {
	Certified  Certified
	RootHeight Height
	Pages      []PageProof
}

// PageProof is one page with its path, and which record of it is meant.
type PageProof struct {
	Section uint32
	Record  uint64
	Page    []byte // 16 KiB
	Path    []byte // canonical page proof
}

// ProvedState is what the pages of a StateProof say of an account, as of RootHeight.
type ProvedState struct {
	RootHeight  Height
	Number      AccountNo
	Address     Address
	Institution InstitutionNo // custodian, 0 = self-owned
	Key         KeyNo
	Frozen      bool
	Slot        uint16
	Asset       AssetNo // 0: no holding was asked for
	Amount      Amount
}

// Sections of the ledger's state and the bytes of their records; the ledger's FORMAT.md defines them.
const (
	sectionAccounts   = 2
	sectionWords      = 3
	sectionSparseKeys = 15
	sectionSparse     = 16
	sectionDense      = 0x10000 // + asset number

	accountBytes   = 32
	wordBytes      = 4
	sparseKeyBytes = 8
	amountBytes    = 16

	wordCustodian = 1<<20 - 1
	wordFrozen    = 1 << 21
)

func stateProofOf(p *ledgerv1.StateProof) *StateProof {
	out := &StateProof{Certified: certifiedOf(p.GetCertified()), RootHeight: Height(p.GetRootHeight())}
	for _, g := range p.GetPages() {
		out.Pages = append(out.Pages, PageProof{Section: g.Section, Record: g.Record, Page: g.Page, Path: g.Path})
	}
	return out
}

// State checks a proof of an account and, if asset is not 0, of its holding, and reads both from the pages.
//
// Absence cannot be proved but for a holding of a dense asset, whose record is there and 0. Holdings of other assets lie in
// one table in the order in which they were made: no page of it shows that an account has none, so a proof without such a
// record is an error.
func (v *Verifier) State(p *StateProof, account AccountNo, asset AssetNo) (*ProvedState, error) {
	h, err := v.Header(p.Certified)
	if err != nil {
		return nil, err
	}
	if h.RootAt == 0 || h.RootAt != p.RootHeight {
		return nil, unproved("no_root", "the header of height %d carries no state root of height %d", h.Height, p.RootHeight)
	}
	s := provedPages{root: h.StateRoot, pages: p.Pages}
	out := &ProvedState{RootHeight: h.RootAt, Number: account, Asset: asset}
	record, word := s.record(sectionAccounts, uint64(account), accountBytes), s.record(sectionWords, uint64(account), wordBytes)
	if s.err != nil {
		return nil, s.err
	}
	le := binary.LittleEndian
	copy(out.Address[:], record)
	out.Key, out.Slot = KeyNo(le.Uint32(record[20:])), le.Uint16(record[28:])
	w := le.Uint32(word)
	out.Institution, out.Frozen = InstitutionNo(w&wordCustodian), w&wordFrozen != 0
	if asset != 0 {
		out.Amount = s.holding(account, asset)
	}
	if s.err != nil {
		return nil, s.err
	}
	return out, nil
}

// provedPages reads records out of pages that hold under root. The first fault sticks.
type provedPages struct {
	root  Hash
	pages []PageProof
	err   error
}

// find returns the page that a proof gives for a section, or nil.
func (s *provedPages) find(section uint32) *PageProof {
	for i := range s.pages {
		if s.pages[i].Section == section {
			return &s.pages[i]
		}
	}
	return nil
}

// record proves and reads one record; nil after a fault.
func (s *provedPages) record(section uint32, number uint64, bytes int) []byte {
	g := s.find(section)
	if s.err == nil && (g == nil || g.Record != number) {
		s.err = unproved("no_page", "there is no page with record %d of section %d", number, section)
	}
	if s.err != nil {
		return nil
	}
	path, err := pages.DecodeProof(g.Path)
	if err == nil {
		err = pages.Verify(s.root, path, g.Page)
	}
	if err != nil {
		s.err = fault.Wrap(fault.Corrupt, err, "section %d", section)
		return nil
	}
	perPage := uint64(pages.PageBytes / bytes)
	if path.Section != section || path.Page != number/perPage {
		s.err = unproved("no_page", "the page proved is not the one with record %d of section %d", number, section)
		return nil
	}
	at := int(number%perPage) * bytes
	return g.Page[at : at+bytes]
}

func (s *provedPages) holding(account AccountNo, asset AssetNo) Amount {
	if dense := sectionDense + uint32(asset); s.find(dense) != nil {
		return readAmount(s.record(dense, uint64(account), amountBytes))
	}
	g := s.find(sectionSparse)
	if g == nil {
		s.err = unproved("no_page", "there is no page with the holding of asset %d", asset)
		return Amount{}
	}
	key := s.record(sectionSparseKeys, g.Record, sparseKeyBytes)
	amount := s.record(sectionSparse, g.Record, amountBytes)
	if s.err != nil {
		return Amount{}
	}
	if le := binary.LittleEndian; le.Uint32(key) != uint32(account) || le.Uint32(key[4:]) != uint32(asset) {
		s.err = unproved("other_account", "the holding is of account %d, asset %d", le.Uint32(key), le.Uint32(key[4:]))
		return Amount{}
	}
	return readAmount(amount)
}

func readAmount(b []byte) Amount {
	if len(b) != amountBytes {
		return Amount{}
	}
	return Amount{Lo: binary.LittleEndian.Uint64(b), Hi: binary.LittleEndian.Uint64(b[8:])}
}
