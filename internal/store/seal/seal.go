// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/zeebo/blake3"
)

// Name is the name of the seal's file in the directory it seals.
const Name = "SEAL"

const (
	headLine = "aurigraph seal 1\n"
	tempName = Name + ".tmp"

	// sealBytesMax bounds what Check reads as a seal: 100 bytes or so a file make room for half a million files.
	sealBytesMax = 64 << 20
	// chunkBytes is how much is read, hashed and reported as progress at a time.
	chunkBytes = 1 << 20
)

// Progress is told the bytes read so far and their total. It may be nil.
type Progress func(done, total int64)

// Report says what Check found.
type Report struct {
	Sealed bool  // there is a seal; if not, nothing was checked
	Files  int   // files that were compared
	Bytes  int64 // their bytes
}

type entry struct {
	path string // slash-separated, relative
	size int64
	sum  [32]byte
}

// Write seals dir: it syncs and hashes every file in it, and puts SEAL in place durably. Nobody else may write meanwhile.
// It reads all bytes once, at about 1 GB a second.
func Write(dir string) error {
	if err := Remove(dir); err != nil {
		return err
	}
	entries, err := list(dir)
	if err != nil {
		return err
	}
	for i := range entries {
		if err := measure(dir, &entries[i], true, func(int) {}); err != nil {
			return err
		}
	}
	if err := syncFolders(dir); err != nil {
		return err
	}
	return install(dir, render(entries))
}

// Remove takes the seal off dir and returns when that is durable. A directory without a seal is left as it is.
func Remove(dir string) error {
	changed := false
	for _, name := range []string{Name, tempName} {
		switch err := os.Remove(filepath.Join(dir, name)); {
		case err == nil:
			changed = true
		case !errors.Is(err, fs.ErrNotExist):
			return fault.Wrap(fault.Unavailable, err, "remove the seal of %s", dir)
		}
	}
	if !changed {
		return nil
	}
	return syncPath(dir)
}

// Check compares every file of dir with its seal. A changed, missing, additional or resized file, or a damaged seal, is
// fault.Corrupt and named. Without a seal it checks nothing and says so in the report.
func Check(dir string, progress Progress) (Report, error) {
	data, err := readSeal(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, fault.Wrap(fault.Unavailable, err, "read the seal of %s", dir)
	}
	want, err := parse(data)
	if err != nil {
		return Report{Sealed: true}, err
	}
	found, err := list(dir)
	if err != nil {
		return Report{Sealed: true}, err
	}
	if err := sameFiles(want, found); err != nil {
		return Report{Sealed: true}, err
	}
	return compare(dir, want, found, progress)
}

func compare(dir string, want, found []entry, progress Progress) (Report, error) {
	report := Report{Sealed: true}
	var total int64
	for _, e := range want {
		total += e.size
	}
	for i := range found {
		err := measure(dir, &found[i], false, func(n int) {
			report.Bytes += int64(n)
			if progress != nil {
				progress(report.Bytes, total)
			}
		})
		if err != nil {
			return report, err
		}
		if found[i] != want[i] {
			return report, corrupt(want[i].path, "its content changed after it was sealed")
		}
		report.Files++
	}
	return report, nil
}

func sameFiles(want, found []entry) error {
	for i := 0; i < len(want) || i < len(found); i++ {
		switch {
		case i >= len(found) || (i < len(want) && want[i].path < found[i].path):
			return corrupt(want[i].path, "it is missing")
		case i >= len(want) || found[i].path < want[i].path:
			return corrupt(found[i].path, "it was added after the seal")
		case found[i].size != want[i].size:
			return corrupt(found[i].path, fmt.Sprintf("it has %d bytes, was sealed with %d", found[i].size, want[i].size))
		}
	}
	return nil
}

func corrupt(path, what string) error {
	return fault.Reasoned(fault.Corrupt, "seal_broken", "file %s: %s", path, what)
}

// list returns dir's files but the seal, sorted by path. Only files and folders can be sealed.
func list(dir string) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == Name || rel == tempName {
			return err
		}
		if !d.Type().IsRegular() || strings.ContainsAny(rel, "\n\r") {
			return fault.New(fault.Invalid, "%s cannot be sealed: it is not a plain file", path)
		}
		info, err := d.Info()
		if err == nil {
			entries = append(entries, entry{path: filepath.ToSlash(rel), size: info.Size()})
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap(kindOr(err, fault.Unavailable), err, "list %s", dir)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].path < entries[j].path })
	return entries, nil
}

// measure fills in e's size and hash from the file, after a sync if asked.
func measure(dir string, e *entry, sync bool, read func(int)) (err error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(e.path)))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "hash")
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if sync {
		if err := f.Sync(); err != nil {
			return fault.Wrap(fault.Unavailable, err, "sync %s", e.path)
		}
	}
	h := blake3.New()
	buf := make([]byte, min(chunkBytes, e.size+1))
	e.size = 0
	for {
		n, err := f.Read(buf)
		_, _ = h.Write(buf[:n]) // a hash never fails
		e.size += int64(n)
		read(n)
		if err == io.EOF {
			h.Sum(e.sum[:0])
			return nil
		}
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "read %s", e.path)
		}
	}
}

func render(entries []entry) []byte {
	var b strings.Builder
	b.WriteString(headLine)
	for _, e := range entries {
		fmt.Fprintf(&b, "%x %d %s\n", e.sum, e.size, e.path)
	}
	sum := blake3.Sum256([]byte(b.String()))
	fmt.Fprintf(&b, "%x\n", sum)
	return []byte(b.String())
}

// parse reads a seal and accepts only what render would write.
func parse(data []byte) ([]entry, error) {
	body, found := strings.CutPrefix(string(data), headLine)
	lines := strings.SplitAfter(body, "\n")
	if !found || len(lines) < 2 {
		return nil, corrupt(Name, "it is not a seal of version 1")
	}
	entries := make([]entry, 0, len(lines))
	for _, line := range lines[:len(lines)-2] {
		var e entry
		var sum []byte
		if n, _ := fmt.Sscanf(line, "%x %d", &sum, &e.size); n != 2 || len(sum) != len(e.sum) {
			return nil, corrupt(Name, "a line is damaged")
		}
		copy(e.sum[:], sum)
		if fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3); len(fields) == 3 {
			e.path = fields[2]
		}
		entries = append(entries, e)
	}
	if string(render(entries)) != string(data) {
		return nil, corrupt(Name, "its own hash does not fit")
	}
	return entries, nil
}

func readSeal(dir string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, Name))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, sealBytesMax))
	return data, errors.Join(err, f.Close())
}

func kindOr(err error, k fault.Kind) fault.Kind {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return k
}
