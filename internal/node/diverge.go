// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/query"
)

// When a quorum certified another header than this node's, or this node computes another one than it signed, its writer halts.
// Then it asks its peers what they computed, and says where it differs: in the log, in its status, and in a file that stays. What
// becomes of it is in comeback.go.

// DivergenceFile in the data folder tells of the last divergence, and of the last times that the node came back from one.
const DivergenceFile = "divergence.json"

// headersKept is how many of the newest own headers are remembered: those that are signed and not certified, of which commit
// allows 16, with room.
const headersKept = 64

// ownHeader is a header that this node signed.
type ownHeader struct {
	header *chain.ExecutedHeader
	hash   chain.Hash
}

// divergence is what the node knows of its own wrong turn. It is safe for concurrent use.
type divergence struct {
	path string

	mu      sync.Mutex
	headers [headersKept]ownHeader // guarded by mu; by height
	verdict *verdict               // guarded by mu; the first one
	found   *query.Divergence      // guarded by mu; not changed once it is here
	back    comebacks              // guarded by mu
}

// verdict says that a header which this node signed is another than it computes now, or than a quorum certified.
type verdict struct {
	own       certify.Vote
	certified chain.Hash            // zero: it is not known
	now       *chain.ExecutedHeader // what it computes now instead; nil: the same
}

// divergenceFile is what the file has.
type divergenceFile struct {
	query.Divergence
	comebacks
}

// openDivergence reads what an earlier life found.
func (n *Node) openDivergence(context.Context) error {
	n.divergence.path = n.cfg.Data(DivergenceFile)
	if n.several() {
		if _, err := obs.Register(n.metrics, "the divergence", n.divergence.comebacksMetric()); err != nil {
			return err
		}
	}
	_ = os.Remove(n.divergence.path + ".tmp") // of a write that a crash ended
	text, err := os.ReadFile(n.divergence.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read %s", n.divergence.path)
	}
	var found divergenceFile
	if err := json.Unmarshal(text, &found); err != nil {
		n.log.Warn("what an earlier divergence was cannot be read, and is passed over: move the file away", obs.KeyFile, n.divergence.path, obs.Err(err))
		return nil
	}
	n.divergence.found, n.divergence.back = &found.Divergence, found.comebacks
	return nil
}

// report is the last divergence; nil if there was none.
func (d *divergence) report() *query.Divergence {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.found
}

// note takes the verdict of a quorum.
func (d *divergence) note(v certify.Diverged) {
	d.judge(&verdict{own: v.Own, certified: v.Other.Header})
}

// noteContradicted takes this node's own.
func (d *divergence) noteContradicted(x certify.Contradicted) {
	d.judge(&verdict{own: x.Own, now: x.Header})
}

func (d *divergence) judge(v *verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.verdict == nil {
		d.verdict = v
	}
}

// own is the header that this node signed for a height, while it is remembered.
func (d *divergence) own(h chain.Height) (ownHeader, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.headers[h%headersKept]
	return o, o.header != nil && o.header.Height == h
}

// remembering is a certifier whose headers are remembered.
type remembering struct {
	commit.Certifier
	divergence *divergence
}

// Sign remembers the header first: the verdict on it may come at once.
func (r remembering) Sign(ctx context.Context, h *chain.ExecutedHeader, hash chain.Hash) error {
	r.divergence.mu.Lock()
	r.divergence.headers[h.Height%headersKept] = ownHeader{h, hash}
	r.divergence.mu.Unlock()
	return r.Certifier.Sign(ctx, h, hash)
}

// publish makes durable what is known so far, and shows it, durable or not.
func (d *divergence) publish(r query.Divergence) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = &r
	return d.write()
}

// write makes the file say what is known. The caller holds mu.
func (d *divergence) write() error {
	text, err := json.MarshalIndent(&divergenceFile{*d.found, d.back}, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the divergence")
	}
	return replaceFile(d.path, append(text, '\n'))
}

// replaceFile puts a file in place of an older one: after a crash one of the two is there.
func replaceFile(path string, text []byte) error {
	err := os.WriteFile(path+".tmp", text, 0o644)
	for _, step := range []func() error{
		func() error { return syncPath(path + ".tmp") },
		func() error { return os.Rename(path+".tmp", path) },
		func() error { return syncPath(filepath.Dir(path)) },
	} {
		if err == nil {
			err = step()
		}
	}
	return fault.Wrap(fault.Unavailable, err, "write %s", path)
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// explainDivergence finds out where this node's history left the certified one, and returns that: when it knows, when it
// cannot find out, or nil when ctx ends. What an earlier life knew of the same headers stays: peers do not keep leaves for long.
func (n *Node) explainDivergence(ctx context.Context) *query.Divergence {
	d := &n.divergence
	d.mu.Lock()
	v, before := d.verdict, d.found
	d.mu.Unlock()
	if v == nil || n.peers == nil {
		return nil
	}
	// It never got past the height of then: it is the same divergence.
	if before != nil && n.loop.Height() < before.Height && len(before.Fields) > 0 && before.Unknown == "" {
		n.log.Error("this node left the certified history where it did before", "difference", before.String(), obs.KeyFile, d.path)
		return before
	}
	r := query.Divergence{
		Height: v.own.Height, Own: v.own.Hash.String(), TimeUs: uint64(time.Now().UnixMicro()), Unknown: "peers are being asked what they computed",
	}
	if v.now == nil {
		r.Certified = v.certified.String()
	}
	n.keepDivergence(r)
	for n.explain(ctx, v, &r) && ctx.Err() == nil {
		n.keepDivergence(r)
	}
	if ctx.Err() != nil && len(r.Fields) == 0 {
		return nil
	}
	n.log.Error("this node left the certified history", obs.KeyHeight, uint64(r.Height), "own", r.Own, "certified", r.Certified, "difference", r.String(), obs.KeyFile, d.path)
	n.keepDivergence(r)
	return &r
}

func (n *Node) keepDivergence(r query.Divergence) {
	if err := n.divergence.publish(r); err != nil {
		n.log.Error("what is known of the divergence is not on disk", obs.Err(err))
	}
}

// leaves is what the state root of a height was made of here, for a peer that diverged.
func (n *Node) leaves(at chain.Height) (*pages.StateLeaves, bool) { return n.loop.Leaves(at) }
