// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// metaAdopted names the record of the newest state that was taken from a peer; FORMAT.md draws it.
const metaAdopted = "adopted"

// HolesMax bounds the holes in a chain. One more joins the two oldest: what lies between them goes.
const HolesMax = 256

// Hole is a run of heights that are not here, From and To among them: their blocks are in a state that was taken from a
// peer, and were not executed here.
type Hole struct{ From, To chain.Height }

// Adopted tells of the states that were taken from peers.
type Adopted struct {
	Height chain.Height // of the newest one; its header, certificate and proposal are in their tables
	Holes  []Hole       // ascending, HolesMax at most
	// Ahead are the certified headers of the chain.RootDelay heights after Height, which carry the roots that are still open
	// at it. They also come into their table, once these heights are executed here.
	Ahead [][]byte
}

// ReadAdopted returns the record of the newest state that was taken from a peer: NotFound if there never was one.
func ReadAdopted(r Reader) (Adopted, error) {
	v, err := ReadMeta(r, metaAdopted)
	if err != nil {
		return Adopted{}, err
	}
	a, ok := decodeAdopted(v)
	if !ok {
		return Adopted{}, fault.New(fault.Corrupt, "record %q of %d bytes is malformed", metaAdopted, len(v))
	}
	return a, nil
}

// ReadHeaderAhead returns the executed header of h, also if it only came with a state that was taken from a peer.
func ReadHeaderAhead(r Reader, h chain.Height) ([]byte, error) {
	raw, err := ReadHeader(r, h)
	if !fault.Is(err, fault.NotFound) {
		return raw, err
	}
	a, readErr := ReadAdopted(r)
	if fault.Is(readErr, fault.NotFound) {
		return nil, err
	}
	if readErr != nil {
		return nil, readErr
	}
	if h > a.Height && h-a.Height <= chain.Height(len(a.Ahead)) {
		return a.Ahead[h-a.Height-1], nil
	}
	return nil, err
}

// Adopt puts a state of a peer in place of what was executed here up to a lower height: its block's header, certificate and
// proposal, and the record of it. The rows by which batches and outcomes are found, and the versions of holdings, go, for those
// of the heights between are not here; headers, certificates, proposals and places of transactions stay. All is in changes,
// which belong into one durable Apply.
func Adopt(r Reader, c *Changes, height chain.Height, header, certificate, proposal []byte, ahead [][]byte) error {
	before, err := ReadAdopted(r)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	head, _, err := LastHeader(r)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if head >= height {
		return fault.New(fault.Conflict, "a state of height %d was to be adopted, the store is at height %d", height, head)
	}
	for _, t := range []table{tableBatch, tableOutcome, tablePlace, tableHolding} {
		c.DeleteRange(t.all().Low, t.all().High)
	}
	a := Adopted{Height: height, Holes: before.Holes, Ahead: ahead}
	if head+1 < height {
		a.addHole(c, Hole{head + 1, height - 1})
	}
	WriteHeader(c, height, header)
	if len(certificate) > 0 { // a seal stands for the last block of its epoch
		WriteCertificate(c, height, certificate)
	}
	WriteProposal(c, height, proposal)
	WriteBatchesFrom(c, height+1)
	WriteMeta(c, metaAdopted, a.encode())
	return nil
}

func (a *Adopted) addHole(c *Changes, h Hole) {
	a.Holes = append(a.Holes, h)
	if len(a.Holes) <= HolesMax {
		return
	}
	first, second := a.Holes[0], a.Holes[1]
	for _, t := range []table{tableHeader, tableCertificate, tableProposal} {
		c.DeleteRange(t.height(first.To+1), t.height(second.From))
	}
	a.Holes = append([]Hole{{first.From, second.To}}, a.Holes[2:]...)
}

// Missing reports whether a height lies in a hole.
func (a *Adopted) Missing(h chain.Height) bool {
	for _, x := range a.Holes {
		if h >= x.From && h <= x.To {
			return true
		}
	}
	return false
}

func (a *Adopted) encode() []byte {
	le := binary.LittleEndian
	b := le.AppendUint64(nil, uint64(a.Height))
	b = le.AppendUint32(b, uint32(len(a.Holes)))
	for _, h := range a.Holes {
		b = le.AppendUint64(le.AppendUint64(b, uint64(h.From)), uint64(h.To))
	}
	b = le.AppendUint32(b, uint32(len(a.Ahead)))
	for _, raw := range a.Ahead {
		b = append(le.AppendUint32(b, uint32(len(raw))), raw...)
	}
	return b
}

func decodeAdopted(b []byte) (a Adopted, ok bool) {
	le := binary.LittleEndian
	if len(b) < 12 {
		return a, false
	}
	a.Height = chain.Height(le.Uint64(b))
	holes := int(le.Uint32(b[8:]))
	b = b[12:]
	if holes > HolesMax || len(b) < 16*holes+4 {
		return a, false
	}
	for ; holes > 0; holes-- {
		a.Holes = append(a.Holes, Hole{chain.Height(le.Uint64(b)), chain.Height(le.Uint64(b[8:]))})
		b = b[16:]
	}
	ahead := le.Uint32(b)
	for b = b[4:]; ahead > 0; ahead-- {
		if len(b) < 4 || int64(le.Uint32(b)) > int64(len(b)-4) {
			return a, false
		}
		n := le.Uint32(b)
		a.Ahead = append(a.Ahead, b[4:4+n])
		b = b[4+n:]
	}
	return a, len(b) == 0
}
