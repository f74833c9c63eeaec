// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/vouch"
)

// Keys of what is in a store.
const (
	manifestKey  = "manifest.json"
	objectPrefix = "objects/"
)

// Folders of names in an archive.
const (
	LedgerFolder = "v10"   // the checkpoint
	FilesFolder  = "files" // what was named besides
)

const (
	manifestDomain   = "aurigraph/archive/manifest"
	manifestVersion  = 1
	manifestBytesMax = ObjectBytesMax

	// ObjectBytesMax is the size of an object at most.
	ObjectBytesMax = 64 << 20
)

// Manifest says what an archive holds. Without one there is no archive.
type Manifest struct {
	Version     int       `json:"version"`
	Ledger      string    `json:"ledger"` // V10's name of itself
	Engine      string    `json:"engine"` // that reads the checkpoint
	Incarnation string    `json:"incarnation"`
	Sequence    uint64    `json:"sequence"` // of V10's log, up to which the checkpoint is
	Taken       time.Time `json:"taken"`    // when the checkpoint was
	RetainUntil time.Time `json:"retain_until"`
	Mode        string    `json:"mode"` // of each object
	Bytes       int64     `json:"bytes"`
	Files       []File    `json:"files"`   // by name
	Objects     []Part    `json:"objects"` // in the order of their first use
	Signer      string    `json:"-"`       // who vouches for it
}

// File is a file, in parts.
type File struct {
	Name   string `json:"name"` // with slashes, below LedgerFolder or FilesFolder
	Bytes  int64  `json:"bytes"`
	Digest Digest `json:"sha256"`
	Parts  []int  `json:"parts"` // indices of Objects
}

// Part is an object, known by its digest.
type Part struct {
	Digest  Digest `json:"sha256"`
	Bytes   int64  `json:"bytes"`
	Version string `json:"version,omitempty"` // of the object in its store
}

// Key is the object's key.
func (p *Part) Key() string { return objectPrefix + p.Digest.String() }

// check returns what of a manifest contradicts itself, or would lead out of a folder.
func (m *Manifest) check() error {
	if m.Version != manifestVersion {
		return fault.Reasoned(fault.Refused, "version", "the manifest has version %d, this program knows %d: take the program of its time", m.Version, manifestVersion)
	}
	bad := func(format string, args ...any) error {
		return fault.Reasoned(fault.Corrupt, "manifest", "the manifest contradicts itself: "+format, args...)
	}
	for i := range m.Objects {
		if n := m.Objects[i].Bytes; n <= 0 || n > ObjectBytesMax {
			return bad("object %s has %d bytes", m.Objects[i].Digest, n)
		}
	}
	total, last := int64(0), ""
	for i := range m.Files {
		f := &m.Files[i]
		if i > 0 && f.Name <= last || !goodName(f.Name) {
			return bad("%q is no name, or out of order", f.Name)
		}
		size := int64(0)
		for _, p := range f.Parts {
			if p < 0 || p >= len(m.Objects) {
				return bad("%s has a part that there is not", f.Name)
			}
			size += m.Objects[p].Bytes
		}
		if size != f.Bytes {
			return bad("%s has %d bytes, and its parts %d", f.Name, f.Bytes, size)
		}
		last, total = f.Name, total+size
	}
	for i := range m.Files {
		if folder := fileAbove(m.Files[i].Name, m.has); folder != "" {
			return bad("%s is a file, and the folder of %s", folder, m.Files[i].Name)
		}
	}
	if total != m.Bytes {
		return bad("its files have %d bytes, not %d", total, m.Bytes)
	}
	return nil
}

const (
	nameBytesMax  = 1024
	nameStepBytes = 255 // between two slashes, at most: longer ones are no files on most systems
)

// has reports whether a file has a name, once their order is known to be right.
func (m *Manifest) has(name string) bool {
	_, found := slices.BinarySearchFunc(m.Files, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
	return found
}

// fileAbove is the name of a file that would have to be a folder for another one to lie in it, which nobody can restore; empty: there is none.
func fileAbove(name string, isFile func(string) bool) string {
	for at := strings.LastIndexByte(name, '/'); at > 0; at = strings.LastIndexByte(name[:at], '/') {
		if isFile(name[:at]) {
			return name[:at]
		}
	}
	return ""
}

// goodName reports whether a name is a path below one of the folders, on every system.
func goodName(name string) bool {
	first, _, ok := strings.Cut(name, "/")
	for step := range strings.SplitSeq(name, "/") {
		ok = ok && len(step) <= nameStepBytes
	}
	return ok && (first == LedgerFolder || first == FilesFolder) && len(name) <= nameBytesMax && filepath.IsLocal(name) && filepath.ToSlash(filepath.Clean(name)) == name && !strings.ContainsAny(name, "\\\x00\n")
}

// users are the names of the files that have parts of an object each.
func (m *Manifest) users() [][]string {
	of := make([][]string, len(m.Objects))
	for i := range m.Files {
		for _, p := range m.Files[i].Parts {
			if n := len(of[p]); n == 0 || of[p][n-1] != m.Files[i].Name {
				of[p] = append(of[p], m.Files[i].Name)
			}
		}
	}
	return of
}

// ReadManifest reads the manifest of a store, or NotFound: there is no archive then. signer is who must have signed it, as the text of his public
// key; empty: anybody, whom Manifest.Signer names.
func ReadManifest(ctx context.Context, s Store, signer string) (*Manifest, error) {
	body, err := s.Get(ctx, manifestKey, "")
	if fault.Is(err, fault.NotFound) {
		return nil, fault.Reasoned(fault.NotFound, "no_manifest", "there is no archive in %s: it has no manifest", s)
	}
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(body, manifestBytesMax+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the manifest of %s", s)
	}
	if len(raw) > manifestBytesMax {
		return nil, fault.Reasoned(fault.Corrupt, "manifest", "the manifest of %s is longer than %d bytes", s, manifestBytesMax)
	}
	m := &Manifest{}
	d, err := vouch.Open(manifestDomain, raw, m)
	switch {
	case err != nil:
		return nil, err
	case d.Signer == "":
		return nil, fault.Reasoned(fault.Corrupt, "unsigned", "the manifest of %s is not signed: it is nobody's", s)
	case signer != "" && !strings.EqualFold(d.Signer, signer):
		return nil, fault.Reasoned(fault.Corrupt, "signer", "the manifest of %s is signed by %s, not by %s", s, d.Signer, signer)
	}
	m.Signer = d.Signer
	return m, m.check()
}

// put writes the manifest, which makes an archive of the objects.
func (m *Manifest) put(ctx context.Context, s Store, signer keys.Signer) error {
	raw, err := vouch.Sign(manifestDomain, m, signer)
	if err != nil {
		return err
	}
	if len(raw) > manifestBytesMax {
		return fault.New(fault.Refused, "the manifest would have more than %d bytes: archive in parts", manifestBytesMax)
	}
	m.Signer = signer.Public().String()
	_, err = m.putPart(ctx, s, manifestKey, bytes.NewReader(raw), &Part{Digest: sha256.Sum256(raw), Bytes: int64(len(raw))})
	return err
}
