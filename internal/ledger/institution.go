// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Governance is the institution that admits others and may freeze everything.
const Governance chain.InstitutionNo = 1

// nameRecord is text of up to chain.NameBytesMax bytes.
type nameRecord [chain.NameBytesMax]byte

type institutionRecord struct {
	House         chain.AccountNo
	ActiveKeys    uint16
	DelegatedKeys uint16 // of the active ones
	NameBytes     uint32
	Name          nameRecord
}

func validName(s string) bool {
	return s != "" && len(s) <= chain.NameBytesMax && utf8.ValidString(s)
}

// makeInstitution makes the next institution and opens its house account; the caller checked that both fit.
func (l *Ledger) makeInstitution(name string) chain.InstitutionNo {
	m := l.meta.Mut(0)
	m.Institutions++
	no := chain.InstitutionNo(m.Institutions)
	r := institutionRecord{NameBytes: uint32(len(name))}
	copy(r.Name[:], name)
	r.House = l.open(opening{custodian: no}, accountHouse)
	*l.institutions.Mut(uint64(no)) = r
	return no
}

// fullKeys is the number of active keys that are not delegated.
func (r *institutionRecord) fullKeys() uint16 { return r.ActiveKeys - r.DelegatedKeys }

func (l *Ledger) institutionExists(no chain.InstitutionNo) bool {
	return no != 0 && uint32(no) <= l.meta.Ref(0).Institutions
}
