// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
)

// Sizes of public keys in bytes, without the scheme byte in front.
const (
	inlineKeyBytes = 33
	largeKeyBytes  = chain.PublicKeyBytesMax - 1
	largeKeysMax   = 1 << 22 // of largeKeyBytes each
)

// keySizes has the size of a public key by scheme number; 0 is no scheme.
var keySizes = [...]int{1: 32, 2: 33, 3: largeKeyBytes}

// OwnerKind says what owns a key.
type OwnerKind uint8

// The kinds of owner.
const (
	OwnedByInstitution OwnerKind = 1
	OwnedByAccount     OwnerKind = 2
	// ownedByDelegate is an institution's delegated key. In records it is a kind of its own, so that whatever asks for a key of
	// an institution and was not taught about these takes none.
	ownedByDelegate OwnerKind = 3
)

// States of a key.
const (
	keyActive  = 1
	keyRevoked = 2
)

// keyRecord is a public key; one that does not fit lies in the large keys, zero here.
type keyRecord struct {
	Owner  uint32
	Large  uint32 // number of the large key, or 0
	Kind   OwnerKind
	Scheme uint8
	State  uint8
	Key    [inlineKeyBytes]byte
}

// byInstitution reports whether an institution owns the key, delegated or not.
func (r *keyRecord) byInstitution() bool {
	return r.Kind == OwnedByInstitution || r.Kind == ownedByDelegate
}

type largeKeyRecord [largeKeyBytes]byte

// KeyChange is a key that a block added or revoked. Public is the scheme byte and the key.
type KeyChange struct {
	No        chain.KeyNo
	Public    []byte
	OwnerKind OwnerKind
	Owner     uint32 // institution or account number
	Active    bool
	Delegated bool // an institution's key that may sign no more than chain.AddDelegate says
}

// validKey checks scheme and length.
func validKey(public []byte) bool {
	return len(public) > 1 && int(public[0]) < len(keySizes) && public[0] != 0 && len(public)-1 == keySizes[public[0]]
}

// keysFit reports whether one more key like public has room.
func (l *Ledger) keysFit(public []byte) bool {
	m := l.meta.Ref(0)
	return m.Keys < KeysMax && (len(public)-1 <= inlineKeyBytes || m.LargeKeys < largeKeysMax)
}

// addKey stores a valid key that fits.
func (l *Ledger) addKey(public []byte, kind OwnerKind, owner uint32) chain.KeyNo {
	m := l.meta.Mut(0)
	m.Keys++
	no := chain.KeyNo(m.Keys)
	r := keyRecord{Owner: owner, Kind: kind, Scheme: public[0], State: keyActive}
	if key := public[1:]; len(key) > inlineKeyBytes {
		m.LargeKeys++
		r.Large = m.LargeKeys
		copy(l.largeKeys.Mut(uint64(r.Large))[:], key)
	} else {
		copy(r.Key[:], key)
	}
	*l.keys.Mut(uint64(no)) = r
	if r.byInstitution() {
		in := l.institutions.Mut(uint64(owner))
		in.ActiveKeys++
		if kind == ownedByDelegate {
			in.DelegatedKeys++
		}
	}
	l.newKeys = append(l.newKeys, no)
	return no
}

func (l *Ledger) revokeKey(no chain.KeyNo) {
	r := l.keys.Mut(uint64(no))
	r.State = keyRevoked
	in := l.institutions.Mut(uint64(r.Owner))
	in.ActiveKeys--
	if r.Kind == ownedByDelegate {
		in.DelegatedKeys--
	}
	l.newKeys = append(l.newKeys, no)
}

// activeKey returns an active key, and false if there is none of this number.
func (l *Ledger) activeKey(no chain.KeyNo) (*keyRecord, bool) {
	if no == 0 || uint32(no) > l.meta.Ref(0).Keys {
		return nil, false
	}
	r := l.keys.Ref(uint64(no))
	return r, r.State == keyActive
}

// KeyChanges returns the keys that were added or revoked since BeginBlock, in that order, as they are now.
func (l *Ledger) KeyChanges() []KeyChange {
	var changes []KeyChange
	for _, no := range l.newKeys {
		k, _ := l.Key(no)
		changes = append(changes, k)
	}
	return changes
}

// Key returns a key, and false if there is none of this number.
func (l *Ledger) Key(no chain.KeyNo) (KeyChange, bool) {
	if no == 0 || uint32(no) > l.meta.Ref(0).Keys {
		return KeyChange{}, false
	}
	r := l.keys.Ref(uint64(no))
	public := append(make([]byte, 0, 1+keySizes[r.Scheme]), r.Scheme)
	if r.Large != 0 {
		public = append(public, l.largeKeys.Ref(uint64(r.Large))[:]...)
	} else {
		public = append(public, r.Key[:keySizes[r.Scheme]]...)
	}
	k := KeyChange{No: no, Public: public, OwnerKind: r.Kind, Owner: r.Owner, Active: r.State == keyActive}
	if r.Kind == ownedByDelegate {
		k.OwnerKind, k.Delegated = OwnedByInstitution, true
	}
	return k, true
}

// InstitutionKeys returns the keys that an institution ever had, in order of number.
func (l *Ledger) InstitutionKeys(institution chain.InstitutionNo) []KeyChange {
	var list []KeyChange
	for no := chain.KeyNo(1); uint32(no) <= l.meta.Ref(0).Keys; no++ {
		if r := l.keys.Ref(uint64(no)); r.byInstitution() && r.Owner == uint32(institution) {
			k, _ := l.Key(no)
			list = append(list, k)
		}
	}
	return list
}
