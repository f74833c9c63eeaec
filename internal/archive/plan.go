// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// plan is a manifest in the making: which objects the files are, and where the bytes of each lie.
type plan struct {
	manifest *Manifest
	seen     map[Digest]int // indices of Manifest.Objects
	places   []place        // of each of them
}

type place struct {
	path   string
	offset int64
}

// read goes through the files and notes their objects. The same bytes are one object.
func (p *plan) read(ctx context.Context, all []source, report func(more, total int64)) error {
	var total int64
	for i := range all {
		total += all[i].bytes
	}
	for i := range all {
		if err := p.file(ctx, &all[i], func(n int64) { report(n, total) }); err != nil {
			return err
		}
	}
	p.manifest.Bytes = total
	return nil
}

func (p *plan) file(ctx context.Context, s *source, report func(int64)) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read what is archived")
	}
	defer file.Close()
	f := File{Name: s.name, Bytes: s.bytes, Parts: []int{}}
	whole := sha256.New()
	for at := int64(0); at < s.bytes; {
		n := min(ObjectBytesMax, s.bytes-at)
		part := sha256.New()
		if err := copyThrough(ctx, io.MultiWriter(whole, part), io.NewSectionReader(file, at, n), n); err != nil {
			return fault.Wrap(fault.KindOf(err), err, "read %s", s.path)
		}
		f.Parts = append(f.Parts, p.object(sumOf(part), n, place{s.path, at}))
		at += n
		report(n)
	}
	if info, err := file.Stat(); err != nil || info.Size() != s.bytes {
		return fault.Reasoned(fault.Conflict, "changed", "%s changed while it was read: stop who writes it, and start again", s.path)
	}
	f.Digest = sumOf(whole)
	p.manifest.Files = append(p.manifest.Files, f)
	return nil
}

// object is the index of an object, which is noted if it is new.
func (p *plan) object(d Digest, n int64, at place) int {
	if i, ok := p.seen[d]; ok {
		return i
	}
	p.seen[d] = len(p.places)
	p.places = append(p.places, at)
	p.manifest.Objects = append(p.manifest.Objects, Part{Digest: d, Bytes: n})
	return p.seen[d]
}

func sumOf(h hash.Hash) (d Digest) {
	h.Sum(d[:0])
	return d
}

const bufferBytes = 256 << 10

// buffers are what files are read through.
var buffers = sync.Pool{New: func() any { return new([bufferBytes]byte) }}

// copyThrough copies exactly n bytes, until ctx ends. Fewer are Corrupt.
func copyThrough(ctx context.Context, to io.Writer, from io.Reader, n int64) error {
	buf := buffers.Get().(*[bufferBytes]byte)
	defer buffers.Put(buf)
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Unavailable, err, "interrupted")
		}
		got, err := io.ReadFull(from, buf[:min(int64(len(buf)), n-done)])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fault.New(fault.Corrupt, "it ends after %d of %d bytes", done+int64(got), n)
		}
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read")
		}
		if _, err := to.Write(buf[:got]); err != nil {
			return fault.Wrap(fault.Unavailable, err, "write")
		}
		done += int64(got)
	}
	return nil
}
