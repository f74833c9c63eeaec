// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"path/filepath"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// runAssets compares assets: V11's portable ones with V10's by code.
func (p *parties) runAssets(ctx context.Context) (err error) {
	if err := p.assetRows(ctx); err != nil {
		return err
	}
	top := uint64(0)
	if err := p.state.Assets(ctx, func(a *StateAsset) error { top = max(top, uint64(a.Number)); return nil }); err != nil {
		return err
	}
	if p.assets, err = newNumbers(filepath.Join(p.dir, assetsFile), top); err != nil {
		return err
	}
	issuers, both := p.accounts.reader(), uint64(0)
	if err := p.state.Assets(ctx, func(a *StateAsset) error {
		found, err := p.asset(a, issuers)
		if found {
			both++
		}
		return err
	}); err != nil {
		return err
	}
	p.Pairs += both
	if both < p.v10Assets {
		if err := p.missingAssets(ctx); err != nil {
			return err
		}
	}
	return p.assets.flush()
}

// assetRows checks V10's assets by themselves. Their supplies are compared with what is held where that is read.
func (p *parties) assetRows(ctx context.Context) error {
	if _, err := p.numbersOf(ctx, Assets, TableAssetNumbers); err != nil {
		return err
	}
	agree := &Marks{}
	err := p.each(ctx, Assets, keyName, func(key, row []byte) error {
		p.v10Assets++
		var a v10Asset
		code := string(key[1:])
		if !scanAsset(row, &a) {
			p.finds.Add(Finding{Class: whyUnread(row), Side: SideV10, Table: TableAssets, Key: code})
			return nil
		}
		agree.Mark(p.hasher.words(ofNumber, p.hasher.bytes(ofName, key[1:]), a.Number))
		back, err := p.kv.Get(Assets, roundKey(keyNumber, a.Number))
		switch {
		case fault.Is(err, fault.NotFound):
			p.finds.Add(Finding{Class: classMissing, Side: SideV10, Table: TableAssetNumbers, Key: strconv.FormatUint(a.Number, 10)})
		case err != nil:
			return err
		case string(back) != code:
			p.finds.Add(Finding{Class: classNumber, Side: SideV10, Table: TableAssets, Key: code, Found: strconv.FormatUint(a.Number, 10)})
		}
		if _, err := p.kv.Get(Accounts, append([]byte{keyName}, a.Issuer...)); fault.Is(err, fault.NotFound) {
			p.finds.Add(Finding{Class: classIssuer, Side: SideV10, Table: TableAssets, Key: code, Found: "an account that is not there"})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.numbersAgree(ctx, Assets, TableAssets, agree, func(row []byte) (uint64, bool) {
		var a v10Asset
		ok := scanAsset(row, &a)
		return a.Number, ok
	}, func(uint64, []byte) error { return nil })
}

// asset compares one of V11's assets, and notes its hash. It reports whether V10 has it too.
func (p *parties) asset(a *StateAsset, issuers *lookup) (both bool, err error) {
	row, err := p.kv.Get(Assets, append([]byte{keyName}, a.Code...))
	there := err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return false, err
	}
	hash := p.hasher.nativeAsset(uint64(a.Number))
	if a.Flags&chain.AssetPortable != 0 {
		hash = p.hasher.bytes(ofCode, []byte(a.Code))
	}
	if err := p.assets.set(uint64(a.Number), hash); err != nil {
		return there, err
	}
	var is v10Asset
	add := func(class, expected, got string) {
		p.finds.Add(Finding{Class: class, Side: SideV11, Table: TableAssets, Key: a.Code, Expected: expected, Found: got})
	}
	switch {
	case !portable(hash) && there:
		add(classFlags, "portable", "native")
		return there, nil
	case !portable(hash):
		return false, nil
	case !there:
		add(classExtra, "", "")
		return false, nil
	case !scanAsset(row, &is):
		return true, nil // that was said
	}
	if is.Scale != a.Scale {
		add(classScale, strconv.Itoa(int(is.Scale)), strconv.Itoa(int(a.Scale)))
	}
	if string(is.Name) != a.Name && a.Name != a.Code {
		add(className, string(is.Name), a.Name)
	}
	if h := p.hasher.bytes(ofName, is.Issuer); issuers.of(uint64(a.Issuer)) != h {
		add(classIssuer, partyText(h), partyText(issuers.of(uint64(a.Issuer))))
	}
	return true, issuers.err
}

// assetsAtOnce is how many codes are looked up in one walk of V11's assets.
const assetsAtOnce = 8192

// missingAssets names those of V10's that V11 lacks.
func (p *parties) missingAssets(ctx context.Context) error {
	for low := []byte{keyName}; low != nil; {
		lacking := map[string]bool{}
		next := []byte(nil)
		err := walk(ctx, p.kv, Assets, low, []byte{keyName + 1}, p.step, func(key, _ []byte) error {
			switch {
			case len(lacking) < assetsAtOnce:
				lacking[string(key[1:])] = true
			case next == nil:
				next = append(next, key...)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := p.state.Assets(ctx, func(a *StateAsset) error { delete(lacking, a.Code); return nil }); err != nil {
			return err
		}
		for code := range lacking {
			p.finds.Add(Finding{Class: classMissing, Side: SideV11, Table: TableAssets, Key: code})
		}
		low = next
	}
	return nil
}
