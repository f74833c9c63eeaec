// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// KeyRecord is a key as the ledger has it.
type KeyRecord struct {
	No          chain.KeyNo
	Public      []byte              // scheme byte, key
	Institution chain.InstitutionNo // its owner; 0 when an account owns it
	Active      bool
}

// Directory is the door's copy of the ledger's keys, by number. The executor writes it, doors read it.
type Directory struct {
	mu      sync.RWMutex
	records []KeyRecord // by number; 0 is unused
	cache   *keys.Cache
}

// NewDirectory makes an empty directory whose parsed keys are kept in cache.
func NewDirectory(cache *keys.Cache) *Directory {
	return &Directory{records: make([]KeyRecord, 1), cache: cache}
}

// Set records new or changed keys.
func (d *Directory) Set(records ...KeyRecord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range records {
		for int(r.No) >= len(d.records) {
			d.records = append(d.records, KeyRecord{})
		}
		d.records[r.No] = r
	}
}

// verifier returns the parsed key of number no, with its owner. An unknown or revoked key is Denied.
func (d *Directory) verifier(no chain.KeyNo) (*keys.Verifier, chain.InstitutionNo, error) {
	r := d.record(no)
	if !r.Active {
		return nil, 0, fault.Reasoned(fault.Denied, "unknown_key", "key %d does not exist or was revoked", no)
	}
	return d.parse(r)
}

// known returns the parsed key of number no, with its owner, also of a revoked one. TryLater: there is none yet.
func (d *Directory) known(no chain.KeyNo) (*keys.Verifier, chain.InstitutionNo, error) {
	r := d.record(no)
	if r.No == 0 {
		return nil, 0, fault.Reasoned(fault.TryLater, "unknown_key", "key %d does not exist yet", no)
	}
	return d.parse(r)
}

// record is what is known of a key; the zero record if nothing is.
func (d *Directory) record(no chain.KeyNo) (r KeyRecord) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if int(no) < len(d.records) {
		r = d.records[no]
	}
	return r
}

func (d *Directory) parse(r KeyRecord) (*keys.Verifier, chain.InstitutionNo, error) {
	v, err := d.cache.Find(r.Public)
	if err != nil {
		return nil, 0, fault.Reasoned(fault.Denied, "bad_key", "key %d cannot verify: %v", r.No, err)
	}
	return v, r.Institution, nil
}
