// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Config is an archive to be written.
type Config struct {
	Store Store
	// Changes is the URL of V10's change log, Engine what keeps V10, Ledger its name of itself. It runs on this machine.
	Changes, Engine, Ledger string
	// Dir is a folder beside V10's, where its checkpoint lies meanwhile, and how far the archive is. One run uses it at a time.
	Dir    string
	Files  []Named // what is kept besides
	Signer keys.Signer
	// RetainUntil is until when it is kept, in whole seconds. A run that goes on with another keeps that one's.
	RetainUntil time.Time
	Progress    func(Progress) // several goroutines call it; nil: nobody looks
}

// Named is a file under the name that it has in the archive, below FilesFolder.
type Named struct{ Name, Path string }

// Progress is how far something is.
type Progress struct {
	Step        string // checkpoint, read, write, verify, restore
	Done, Total int64  // bytes
}

const (
	puttersMax  = 4 // objects that are written at once
	versionsMax = 8 // of an object that are looked at: whoever wrote more of them has it written once more
)

// objectTimeMax is how long the way of an object may take, to the store or from it: a server that stopped in the midst of it is no reason to
// wait for ever.
const objectTimeMax = 30 * time.Minute

// Write takes a checkpoint of V10 and writes it, and the named files, into the store; the manifest last. Killed anywhere and started again it
// goes on: what is in the store is not written again. An archive that is whole is returned as it is.
func Write(ctx context.Context, cfg Config) (*Manifest, error) {
	s, old, err := cfg.stand(ctx)
	if err != nil {
		return nil, err
	}
	if old != nil {
		return old, s.drop()
	}
	if s == nil {
		if s, err = cfg.begin(ctx); err != nil {
			return nil, err
		}
	}
	return cfg.write(ctx, s)
}

func (c *Config) check() error {
	switch {
	case c.Store == nil || c.Signer == nil || c.Dir == "" || !filepath.IsAbs(c.Dir):
		return fault.New(fault.Invalid, "an archive needs a store, a signer and an absolute folder")
	case c.RetainUntil.IsZero() || !c.RetainUntil.Equal(c.RetainUntil.Truncate(time.Second)):
		return fault.New(fault.Invalid, "an archive is kept until a date in whole seconds")
	}
	seen := map[string]bool{}
	for _, f := range c.Files {
		name := FilesFolder + "/" + f.Name
		if !goodName(name) || seen[name] {
			return fault.New(fault.Invalid, "%q is no name of a file in an archive, or there twice: write a path without .. and without a slash in front", f.Name)
		}
		seen[name] = true
	}
	for name := range seen {
		if folder := fileAbove(name, func(name string) bool { return seen[name] }); folder != "" {
			return fault.New(fault.Invalid, "%q is a file, and the folder of %q: nobody could restore both", folder, name)
		}
	}
	return nil
}

// write writes the objects that are not there, and the manifest.
func (c *Config) write(ctx context.Context, s *state) (*Manifest, error) {
	m := &Manifest{
		Version: manifestVersion, Ledger: s.Ledger, Engine: s.Engine, Incarnation: s.Incarnation, Sequence: s.Sequence, Taken: s.Taken,
		RetainUntil: s.RetainUntil, Mode: c.Store.Mode(),
	}
	sources, err := c.sources(s.Checkpoint)
	if err != nil {
		return nil, err
	}
	p := &plan{manifest: m, seen: map[Digest]int{}}
	if err := p.read(ctx, sources, c.report("read")); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	if err := c.upload(ctx, p); err != nil {
		return nil, err
	}
	if err := m.put(ctx, c.Store, c.Signer); err != nil {
		return nil, err
	}
	return m, s.drop()
}

// report returns what tells how far a step is, in bytes more.
func (c *Config) report(step string) func(more, total int64) { return reporter(step, c.Progress) }

func reporter(step string, to func(Progress)) func(more, total int64) {
	var done atomic.Int64
	return func(more, total int64) {
		if now := done.Add(more); to != nil {
			to(Progress{step, now, total})
		}
	}
}

// upload writes the objects that the store does not have, several at once.
func (c *Config) upload(ctx context.Context, p *plan) error {
	there := make(map[string][]string, len(p.manifest.Objects)) // versions by key
	for i := range p.manifest.Objects {
		there[p.manifest.Objects[i].Key()] = nil
	}
	err := c.Store.List(ctx, objectPrefix, func(o Object) error {
		if versions, ours := there[o.Key]; ours && len(versions) < versionsMax {
			there[o.Key] = append(versions, o.Version)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var total int64
	for i := range p.manifest.Objects {
		total += p.manifest.Objects[i].Bytes
	}
	report := c.report("write")
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(puttersMax)
	for i := range p.manifest.Objects {
		part := &p.manifest.Objects[i]
		g.Go(func() error {
			err := c.keep(ctx, p, i, there[part.Key()])
			report(part.Bytes, total)
			return err
		})
	}
	return g.Wait()
}

// keep makes sure that the store has an object, and notes its version.
func (c *Config) keep(ctx context.Context, p *plan, i int, versions []string) error {
	part := &p.manifest.Objects[i]
	for _, v := range versions {
		o, err := c.Store.Stat(ctx, part.Key(), v)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err == nil && p.manifest.flaw(&o, part) == "" {
			part.Version = v
			return nil
		}
	}
	from := &p.places[i]
	file, err := os.Open(from.path)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read what is archived")
	}
	defer file.Close()
	part.Version, err = p.manifest.putPart(ctx, c.Store, part.Key(), io.NewSectionReader(file, from.offset, part.Bytes), part)
	return err
}

// putPart writes an object, and makes sure that it is kept as it was asked to. It returns its version.
func (m *Manifest) putPart(ctx context.Context, s Store, key string, body io.ReaderAt, part *Part) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, objectTimeMax)
	defer cancel()
	o, err := s.Put(ctx, key, body, part.Bytes, part.Digest, m.RetainUntil)
	if err != nil {
		return "", err
	}
	if what := m.flaw(&o, part); what != "" {
		return "", fault.Reasoned(fault.Refused, "not_kept", "%s took an object and does not keep it as it was asked to (%s): it is no place for an archive", s, what)
	}
	return o.Version, nil
}

// flaw is what is wrong with what a store says of an object; empty: nothing.
func (m *Manifest) flaw(o *Object, part *Part) string {
	switch {
	case o.Bytes != part.Bytes:
		return FlawSize
	case o.Digest != part.Digest:
		return FlawDigest
	case o.Mode != m.Mode:
		return FlawMode
	case o.RetainUntil.Before(m.RetainUntil):
		return FlawRetention
	}
	return ""
}

// source is a file to be archived.
type source struct {
	name, path string
	bytes      int64
}

// sources are the checkpoint's files, if there is one, and those named besides, by name.
func (c *Config) sources(checkpoint string) (all []source, err error) {
	if checkpoint != "" {
		all, err = checkpointFiles(checkpoint)
	}
	if err != nil {
		return nil, err
	}
	for _, f := range c.Files {
		all = append(all, source{name: FilesFolder + "/" + f.Name, path: f.Path})
	}
	for i := range all {
		info, err := os.Stat(all[i].path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil, fault.New(fault.NotFound, "there is no %s, which is to be archived", all[i].path)
		case err != nil:
			return nil, fault.Wrap(fault.Unavailable, err, "look at what is archived")
		case !info.Mode().IsRegular():
			return nil, fault.New(fault.Invalid, "%s is no file: pack a folder into one", all[i].path)
		}
		all[i].bytes = info.Size()
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func checkpointFiles(checkpoint string) (all []source, err error) {
	err = filepath.WalkDir(checkpoint, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(checkpoint, path)
		all = append(all, source{name: LedgerFolder + "/" + filepath.ToSlash(rel), path: path})
		return err
	})
	return all, fault.Wrap(fault.Unavailable, err, "list V10's checkpoint")
}
