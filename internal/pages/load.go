// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// LoadSection creates a section whose record type is not known yet; NewColumn adopts it later, and until then its pages
// are part of snapshots and roots. Only a Space that has neither this section nor had a snapshot takes it, else the
// error is Conflict. Impossible sizes are Corrupt.
func (s *Space) LoadSection(section, recordBytes uint32) error {
	if s.epoch != 1 {
		return fault.New(fault.Conflict, "section %d cannot be loaded: the space is in use", section)
	}
	at, exists := s.find(section)
	if exists {
		return fault.New(fault.Conflict, "section %d cannot be loaded: it exists", section)
	}
	if recordBytes == 0 || recordBytes > PageBytes || len(s.columns) == SectionsMax {
		return fault.New(fault.Corrupt, "section %d with records of %d bytes cannot be the %d-th of %d", section, recordBytes, len(s.columns)+1, SectionsMax)
	}
	c := &column{section: section, recordBytes: recordBytes, raw: true, space: s}
	c.recordsMax = PagesMax * c.perPage()
	s.columns = slices.Insert(s.columns, at, c)
	return nil
}

// LoadPage sets a page of a section made by LoadSection, before NewColumn adopts it. data has PageBytes and is copied.
// A page out of bounds is Corrupt; a page loaded before, or a section that is not being loaded, Conflict.
func (s *Space) LoadPage(section uint32, page uint64, data []byte) error {
	at, exists := s.find(section)
	if !exists || !s.columns[at].raw || s.epoch != 1 {
		return fault.New(fault.Conflict, "section %d is not being loaded", section)
	}
	if page >= PagesMax || len(data) != PageBytes {
		return fault.New(fault.Corrupt, "section %d: page %d with %d bytes cannot be loaded", section, page, len(data))
	}
	c := s.columns[at]
	if page < uint64(len(c.born)) && c.born[page] != 0 {
		return fault.New(fault.Conflict, "section %d: page %d was loaded before", section, page)
	}
	copy(c.own(page*c.perPage()).Bytes(), data)
	return nil
}
