// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

type assetRecord struct {
	Supply    chain.Amount
	Issuer    chain.AccountNo
	Flags     chain.AssetFlags
	Scale     uint8
	Frozen    uint8
	CodeBytes uint16
	NameBytes uint16
	Reserved  uint32
	Code      [chain.CodeBytesMax]byte
	Name      nameRecord
}

func (r *assetRecord) code() string { return string(r.Code[:r.CodeBytes]) }

// hotAsset is what moving an asset needs to know of it, derived from its record.
type hotAsset struct {
	column *pages.Column[chain.Amount] // of its holdings; nil for number 0
	sparse bool                        // column is by holding number, else by account number
	plain  bool                        // no transfer of it can be refused or noted for the asset's sake
}

func validCode(code string) bool {
	if code == "" || len(code) > chain.CodeBytesMax {
		return false
	}
	for _, c := range []byte(code) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func (l *Ledger) hashOfAsset(no uint32) uint64 { return hashOfCode(l.assets.Ref(uint64(no)).Code) }

func hashOfCode(c [chain.CodeBytesMax]byte) uint64 {
	le := binary.LittleEndian
	return mix(le.Uint64(c[:]) ^ mix(le.Uint64(c[8:])))
}

// findCode returns the asset with a code, or 0. A code has no zero bytes, so the padded form is the code.
func (l *Ledger) findCode(code string) chain.AssetNo {
	var padded [chain.CodeBytesMax]byte
	if copy(padded[:], code) != len(code) || code == "" {
		return 0
	}
	return chain.AssetNo(l.byCode.find(hashOfCode(padded), func(no uint32) bool { return l.assets.Ref(uint64(no)).Code == padded }))
}

func (l *Ledger) assetExists(no chain.AssetNo) bool { return no != 0 && int(no) < len(l.hot) }

// checkAsset says why an asset cannot be made, or OK.
func (l *Ledger) checkAsset(a *chain.CreateAsset) chain.Outcome {
	switch {
	case !validCode(a.Code), !validName(a.Name), a.Scale > chain.ScaleMax, !a.Flags.Known():
		return chain.BadField
	case l.findCode(a.Code) != 0:
		return chain.CodeTaken
	case l.meta.Ref(0).Assets >= AssetsMax:
		return chain.LimitReached
	case a.Flags&chain.AssetDense != 0 && len(l.dense) >= DenseAssetsMax:
		return chain.LimitReached
	}
	return chain.OK
}

// makeAsset makes the asset that checkAsset found possible.
func (l *Ledger) makeAsset(a *chain.CreateAsset, issuer chain.AccountNo) chain.AssetNo {
	m := l.meta.Mut(0)
	m.Assets++
	r := assetRecord{
		Issuer: issuer, Flags: a.Flags, Scale: a.Scale,
		CodeBytes: uint16(len(a.Code)), NameBytes: uint16(len(a.Name)),
	}
	copy(r.Code[:], a.Code)
	copy(r.Name[:], a.Name)
	*l.assets.Mut(uint64(m.Assets)) = r
	l.attachAsset(chain.AssetNo(m.Assets))
	return chain.AssetNo(m.Assets)
}

// attachAsset adds the next asset to what is derived from the assets.
func (l *Ledger) attachAsset(no chain.AssetNo) {
	h := hotAsset{column: l.sparse, sparse: true}
	if l.assets.Ref(uint64(no)).Flags&chain.AssetDense != 0 {
		h = hotAsset{column: pages.NewColumn[chain.Amount](l.space, sectionDense+uint32(no), chain.AccountsMaxMax+1)}
		l.dense = append(l.dense, no)
	}
	l.hot = append(l.hot, h)
	l.byCode.add()
	l.refreshPlain(no)
}

func (l *Ledger) refreshPlain(no chain.AssetNo) {
	r := l.assets.Ref(uint64(no))
	l.hot[no].plain = r.Frozen == 0 && r.Flags&chain.AssetVersioned == 0 && !l.boundToPortable(no)
}

func (l *Ledger) freezeAsset(no chain.AssetNo, frozen bool) {
	r := l.assets.Mut(uint64(no))
	r.Frozen = 0
	if frozen {
		r.Frozen = 1
	}
	l.refreshPlain(no)
}
