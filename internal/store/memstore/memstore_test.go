// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
	"github.com/aurigraph/aurigraph/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memstore.New() })
}

func TestFailApply(t *testing.T) {
	s := memstore.New()
	put := func(key string) error {
		var c store.Changes
		c.Put([]byte(key), nil)
		return s.Apply(&c, true)
	}
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	s.FailApply(2)
	if err := put("b"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"c", "d"} {
		if err := put(key); !fault.Is(err, fault.Halted) {
			t.Fatalf("apply after the fault: %v", err)
		}
	}
	if s.Applies() != 4 {
		t.Fatal(s.Applies())
	}
	s = s.Crash()
	if err := put("e"); err != nil {
		t.Fatal("a restarted store must work", err)
	}
	if _, err := s.Get([]byte("b")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get([]byte("c")); !fault.Is(err, fault.NotFound) {
		t.Fatal("a failed change was kept", err)
	}
}
