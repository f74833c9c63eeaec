// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

func TestEvidence(t *testing.T) {
	s := memstore.New()
	keys := []store.EvidenceKey{
		{Kind: store.EvidenceHeaders, Validator: 1, From: 1, Epoch: 1, Place: 258},
		{Kind: store.EvidenceHeaders, Validator: 1, From: 1, Epoch: 2, Place: 1},
		{Kind: 1, Validator: 0, From: 3, Epoch: 1, Place: 1 << 40},
	}
	var c store.Changes
	for i, k := range slices.Backward(keys) {
		store.WriteEvidence(&c, k, []byte{byte(i)})
	}
	store.WriteEvidence(&c, keys[1], []byte("another"))
	store.WriteMeta(&c, "name", []byte{1})
	if err := s.Apply(&c, true); err != nil {
		t.Fatal(err)
	}
	var have []store.EvidenceKey
	var records []string
	err := store.EachEvidence(s, func(k store.EvidenceKey, record []byte) error {
		have, records = append(have, k), append(records, string(record))
		return nil
	})
	if err != nil || !slices.Equal(have, keys) || !slices.Equal(records, []string{"\x00", "another", "\x02"}) {
		t.Errorf("%v, %q, %v", have, records, err)
	}
	enough := errors.New("enough")
	if err := store.EachEvidence(s, func(store.EvidenceKey, []byte) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
	c.Reset()
	c.Put([]byte("e short"), nil)
	if err := s.Apply(&c, true); err != nil {
		t.Fatal(err)
	}
	if err := store.EachEvidence(s, func(store.EvidenceKey, []byte) error { return nil }); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a key of another length: %v", err)
	}
}
