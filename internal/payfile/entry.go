// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// An entry of the journal is, little-endian: magic, kind u8, 3 zero bytes, length of the body u32, how far the journal was
// durable when it was written u64, the body, then the first 16 bytes of the BLAKE3 of all that and the entry's offset u64.
const (
	entryHeadBytes = 20
	entrySumBytes  = 16
	entryBodyMax   = 8 << 20 // 512 transactions of 8 KiB, or a batch, with their lines
	journalVersion = 1
)

var entryMagic = []byte("APJ\x01")

type entryKind uint8

const (
	entryHeader entryKind = 1
	entryChunk  entryKind = 2 // a chunk, or its replacement
	entryDone   entryKind = 3
)

type entry struct {
	kind    entryKind
	durable uint64
	body    []byte // shared with the journal's bytes
}

func appendEntry(dst []byte, kind entryKind, offset, durable uint64, body []byte) []byte {
	begin, le := len(dst), binary.LittleEndian
	dst = append(dst, entryMagic...)
	dst = append(dst, byte(kind), 0, 0, 0)
	dst = le.AppendUint32(dst, uint32(len(body)))
	dst = le.AppendUint64(dst, durable)
	dst = append(dst, body...)
	return append(dst, entrySum(dst[begin:], offset)...)
}

func entrySum(b []byte, offset uint64) []byte {
	h := blake3.New()
	_, _ = h.Write(b) // a hash takes all
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, offset))
	return h.Sum(nil)[:entrySumBytes]
}

// readEntry reads the entry at an offset; false if there is no whole one.
func readEntry(data []byte, offset int) (e entry, end int, ok bool) {
	b, le := data[offset:], binary.LittleEndian
	if len(b) < entryHeadBytes+entrySumBytes || !bytes.HasPrefix(b, entryMagic) {
		return entry{}, 0, false
	}
	n := le.Uint32(b[8:])
	if n > entryBodyMax || len(b) < entryHeadBytes+int(n)+entrySumBytes {
		return entry{}, 0, false
	}
	body := entryHeadBytes + int(n)
	if !bytes.Equal(entrySum(b[:body], uint64(offset)), b[body:body+entrySumBytes]) {
		return entry{}, 0, false
	}
	return entry{kind: entryKind(b[4]), durable: le.Uint64(b[12:]), body: b[entryHeadBytes:body]}, offset + body + entrySumBytes, true
}

// scan reads entries up to end, behind which lies nothing or the torn tail of a crash. If what does not read was durable
// once, it may have been sent: that is Corrupt.
func scan(data []byte) (entries []entry, end int, err error) {
	for end < len(data) {
		e, next, ok := readEntry(data, end)
		if !ok {
			break
		}
		entries, end = append(entries, e), next
	}
	for at := end; at < len(data); at++ {
		skip := bytes.Index(data[at:], entryMagic)
		if skip < 0 {
			break
		}
		at += skip
		if e, _, ok := readEntry(data, at); ok && e.durable > uint64(end) {
			return nil, 0, fault.Reasoned(fault.Corrupt, "journal_damaged", "the entry at byte %d is damaged, and it may have been sent", end)
		}
	}
	return entries, end, nil
}

// header is what a journal belongs to.
type header struct {
	file    chain.Hash
	chain   chain.ChainID
	channel uint8
	lines   uint32
}

func (h header) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = append(le.AppendUint16(dst, journalVersion), h.file[:]...)
	dst = append(le.AppendUint64(dst, uint64(h.chain)), h.channel)
	return le.AppendUint32(dst, h.lines)
}

func readJournalHeader(b []byte) (h header, version uint16, err error) {
	c := cursor{b: b}
	version = c.u16()
	if version != journalVersion {
		return h, version, nil // its body is that version's matter
	}
	h.file, h.chain, h.channel, h.lines = c.hash(), chain.ChainID(c.u64()), c.u8(), c.u32()
	return h, version, c.end()
}

// chunk is signed bytes for lines: one batch, or as many transactions as lines.
type chunk struct {
	number uint32
	lines  []uint32 // indexes of File.Lines
	batch  *client.SignedBatch
	txs    [][]byte
}

const (
	formBatch = 0
	formTxs   = 1
)

func (k *chunk) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, k.number)
	dst = le.AppendUint32(dst, uint32(len(k.lines)))
	for _, l := range k.lines {
		dst = le.AppendUint32(dst, l)
	}
	if k.batch != nil {
		dst = append(append(dst, formBatch), k.batch.ID[:]...)
		return appendBytes(appendBytes(dst, k.batch.Bytes), k.batch.Signature)
	}
	dst = append(dst, formTxs)
	for _, tx := range k.txs {
		dst = appendBytes(dst, tx)
	}
	return dst
}

func readChunk(b []byte) (*chunk, error) {
	c := cursor{b: b}
	k := &chunk{number: c.u32()}
	n := int(c.u32())
	if n == 0 || n > chain.BatchLegsMax {
		return nil, fault.New(fault.Corrupt, "a chunk of %d lines", n)
	}
	k.lines = make([]uint32, n)
	for i := range k.lines {
		k.lines[i] = c.u32()
	}
	switch form := c.u8(); form {
	case formBatch:
		k.batch = &client.SignedBatch{ID: c.hash(), Bytes: c.bytes(), Signature: c.bytes()}
	case formTxs:
		k.txs = make([][]byte, n)
		for i := range k.txs {
			k.txs[i] = c.bytes()
		}
	default:
		return nil, fault.New(fault.Corrupt, "a chunk of form %d", form)
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	return k, k.check()
}

// check wants signed bytes that fit the lines.
func (k *chunk) check() error {
	if k.batch != nil {
		b, err := chain.ParseBatch(k.batch.Bytes)
		if err == nil && b.Len() != len(k.lines) {
			err = fault.New(fault.Corrupt, "%d legs for %d lines", b.Len(), len(k.lines))
		}
		return fault.Wrap(fault.Corrupt, err, "chunk %d", k.number)
	}
	for _, tx := range k.txs {
		if _, _, err := codec.DecodeSignedTx(tx); err != nil {
			return fault.Wrap(fault.Corrupt, err, "chunk %d", k.number)
		}
	}
	return nil
}

// fate is what became of one line.
type fate struct {
	outcome chain.Outcome
	height  chain.Height
	id      chain.Hash // of its leg or transaction
}

// done is what became of a chunk. The ids follow from the chunk.
type done struct {
	number   uint32
	heights  []chain.Height // one for all, or one for each line
	outcomes []chain.Outcome
}

func (d *done) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, d.number)
	dst = le.AppendUint32(dst, uint32(len(d.outcomes)))
	dst = le.AppendUint32(dst, uint32(len(d.heights)))
	for _, o := range d.outcomes {
		dst = append(dst, byte(o))
	}
	for _, h := range d.heights {
		dst = le.AppendUint64(dst, uint64(h))
	}
	return dst
}

func readDone(b []byte) (*done, error) {
	c := cursor{b: b}
	d := &done{number: c.u32()}
	n, m := int(c.u32()), int(c.u32())
	if n == 0 || n > chain.BatchLegsMax || (m != 1 && m != n) {
		return nil, fault.New(fault.Corrupt, "%d outcomes at %d heights", n, m)
	}
	d.outcomes, d.heights = make([]chain.Outcome, n), make([]chain.Height, m)
	for i := range d.outcomes {
		d.outcomes[i] = chain.Outcome(c.u8())
	}
	for i := range d.heights {
		d.heights[i] = chain.Height(c.u64())
	}
	return d, c.end()
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(b))), b...)
}

// cursor reads a body. After a fault it reads zeros, and end tells.
type cursor struct {
	b   []byte
	bad bool
}

var zeros [32]byte

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.bad, c.b = true, nil
		return zeros[:min(n, len(zeros))]
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() uint8        { return c.take(1)[0] }
func (c *cursor) u16() uint16      { return binary.LittleEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32      { return binary.LittleEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64      { return binary.LittleEndian.Uint64(c.take(8)) }
func (c *cursor) hash() chain.Hash { return chain.Hash(c.take(32)) }
func (c *cursor) bytes() []byte    { return c.take(int(c.u32())) }

func (c *cursor) end() error {
	if c.bad || len(c.b) > 0 {
		return fault.New(fault.Corrupt, "an entry's body has the wrong length")
	}
	return nil
}
