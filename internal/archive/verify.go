// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// What can be wrong with an object.
const (
	FlawMissing   = "missing"
	FlawSize      = "size"      // the store says another
	FlawDigest    = "digest"    // the store says another
	FlawMode      = "mode"      // it is not kept as the manifest says
	FlawRetention = "retention" // it is kept for less long
	FlawDamaged   = "damaged"   // it was read, and is not what was written
)

// VerifyConfig is an archive to be looked at.
type VerifyConfig struct {
	Store  Store
	Signer string // who must have signed it, as text of his public key; empty: anybody
	// SamplePercent of the objects are read, at least one; all if it is 100. Which, follows from Seed.
	SamplePercent float64
	Seed          uint64
	Progress      func(Progress)
}

// Report is what was found.
type Report struct {
	OK          bool      `json:"ok"`
	Store       string    `json:"store"`
	Ledger      string    `json:"ledger"`
	Sequence    uint64    `json:"sequence"`
	Signer      string    `json:"signer"`
	Mode        string    `json:"mode"`
	RetainUntil time.Time `json:"retain_until"`
	Files       int       `json:"files"`
	Objects     int       `json:"objects"`
	Bytes       int64     `json:"bytes"`
	Read        int       `json:"objects_read"`
	ReadBytes   int64     `json:"bytes_read"`
	Seed        uint64    `json:"seed"`
	Findings    []Finding `json:"findings"`
}

// Finding is an object that is not as it was written, and whose it is.
type Finding struct {
	Object string   `json:"object"`
	Flaw   string   `json:"flaw"`
	Files  []string `json:"files"`
}

// lookersMax is how many objects are looked at, or read, at once.
const lookersMax = 8

// Verify checks the signature, that the store has each object and keeps it as long as was asked for, and reads a sample. What is wrong is in the
// report; an error is a look that could not be finished, or a manifest that is none.
func Verify(ctx context.Context, cfg VerifyConfig) (*Report, error) {
	if cfg.SamplePercent <= 0 || cfg.SamplePercent > 100 {
		return nil, fault.New(fault.Invalid, "a sample is of more than 0 to 100 per cent")
	}
	m, err := ReadManifest(ctx, cfg.Store, cfg.Signer)
	if err != nil {
		return nil, err
	}
	v := &verifying{VerifyConfig: cfg, m: m, users: m.users()}
	v.report = &Report{
		Store: cfg.Store.String(), Ledger: m.Ledger, Sequence: m.Sequence, Signer: m.Signer, Mode: m.Mode, RetainUntil: m.RetainUntil,
		Files: len(m.Files), Objects: len(m.Objects), Bytes: m.Bytes, Seed: cfg.Seed, Findings: []Finding{},
	}
	if err := errors.Join(v.manifest(ctx), v.all(ctx)); err != nil {
		return nil, err
	}
	slices.SortFunc(v.report.Findings, func(a, b Finding) int { return cmp.Compare(a.Object, b.Object) })
	v.report.OK = len(v.report.Findings) == 0
	return v.report, nil
}

type verifying struct {
	VerifyConfig
	m     *Manifest
	users [][]string

	mu     sync.Mutex // guards report
	report *Report
}

func (v *verifying) found(key, flaw string, files []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Findings = append(v.report.Findings, Finding{key, flaw, files})
}

// manifest looks how the manifest itself is kept.
func (v *verifying) manifest(ctx context.Context) error {
	o, err := v.Store.Stat(ctx, manifestKey, "")
	if err != nil {
		return err
	}
	if flaw := v.m.flaw(&o, &Part{Bytes: o.Bytes, Digest: o.Digest}); flaw != "" {
		v.found(manifestKey, flaw, []string{})
	}
	return nil
}

// all looks at each object, and reads those of the sample.
func (v *verifying) all(ctx context.Context) error {
	read, total := v.sample()
	report := reporter("verify", v.Progress)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookersMax)
	for i := range v.m.Objects {
		g.Go(func() error {
			ok, err := v.look(ctx, i)
			if err != nil || !read[i] {
				return err
			}
			if ok {
				err = v.read(ctx, i)
			}
			report(v.m.Objects[i].Bytes, total)
			return err
		})
	}
	return g.Wait()
}

// sample chooses which objects are read.
func (v *verifying) sample() (read []bool, bytes int64) {
	n := len(v.m.Objects)
	read = make([]bool, n)
	count := min(n, max(1, int(float64(n)*v.SamplePercent/100+0.5)))
	for _, i := range rand.New(rand.NewPCG(v.Seed, 0)).Perm(n)[:count] {
		read[i] = true
		bytes += v.m.Objects[i].Bytes
	}
	return read, bytes
}

// look asks the store about an object. ok: there is something to read.
func (v *verifying) look(ctx context.Context, i int) (ok bool, err error) {
	part := &v.m.Objects[i]
	o, err := v.Store.Stat(ctx, part.Key(), part.Version)
	switch {
	case fault.Is(err, fault.NotFound):
		v.found(part.Key(), FlawMissing, v.users[i])
		return false, nil
	case fault.Is(err, fault.Corrupt): // what the store noted of it
		v.found(part.Key(), FlawDamaged, v.users[i])
		return false, nil
	case err != nil:
		return false, err
	}
	if flaw := v.m.flaw(&o, part); flaw != "" {
		v.found(part.Key(), flaw, v.users[i])
	}
	return true, nil
}

// read reads an object and compares it with its digest.
func (v *verifying) read(ctx context.Context, i int) error {
	part := &v.m.Objects[i]
	err := readPart(ctx, v.Store, part, io.Discard)
	switch fault.KindOf(err) {
	case fault.Corrupt:
		v.found(part.Key(), FlawDamaged, v.users[i])
		err = nil
	case fault.NotFound: // it went since it was looked at
		v.found(part.Key(), FlawMissing, v.users[i])
		err = nil
	}
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Read++
	v.report.ReadBytes += part.Bytes
	return nil
}

// readPart copies an object. Corrupt: it is not what was written, and what was copied is worth nothing.
func readPart(ctx context.Context, s Store, part *Part, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, objectTimeMax)
	defer cancel()
	body, err := s.Get(ctx, part.Key(), part.Version)
	if err != nil {
		return err
	}
	sum := sha256.New()
	err = copyThrough(ctx, io.MultiWriter(sum, to), body, part.Bytes)
	if err = errors.Join(err, body.Close()); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "read object %s", part.Digest)
	}
	if sumOf(sum) != part.Digest {
		return fault.Reasoned(fault.Corrupt, FlawDamaged, "object %s is not what was written", part.Digest)
	}
	return nil
}
