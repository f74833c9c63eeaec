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

// When a quorum certified another header than this node's, its writer halts. Then it asks its peers what they computed, and
// says where it differs: in the log, in its status, and in a file that stays. Nothing of its own changes by that.

// DivergenceFile in the data folder tells of the last divergence.
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
	verdict *certify.Diverged      // guarded by mu
	found   *query.Divergence      // guarded by mu; not changed once it is here
}

// openDivergence reads what an earlier life found.
func (n *Node) openDivergence(context.Context) error {
	n.divergence.path = n.cfg.Data(DivergenceFile)
	_ = os.Remove(n.divergence.path + ".tmp") // of a write that a crash ended
	text, err := os.ReadFile(n.divergence.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read %s", n.divergence.path)
	}
	found := &query.Divergence{}
	if err := json.Unmarshal(text, found); err != nil {
		n.log.Warn("what an earlier divergence was cannot be read, and is passed over: move the file away", obs.KeyFile, n.divergence.path, obs.Err(err))
		return nil
	}
	n.divergence.found = found
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
	d.mu.Lock()
	defer d.mu.Unlock()
	d.verdict = &v
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
	text, err := json.MarshalIndent(&r, "", "  ")
	if err == nil {
		err = replaceFile(d.path, append(text, '\n'))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = &r
	return err
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

// explainDivergence finds out where this node's history left the certified one. It returns when it knows, when it cannot
// find out, or when ctx ends. What an earlier life knew of the same headers stays: peers do not keep leaves for long.
func (n *Node) explainDivergence(ctx context.Context) {
	d := &n.divergence
	d.mu.Lock()
	verdict, before := d.verdict, d.found
	d.mu.Unlock()
	if verdict == nil || n.peers == nil {
		return
	}
	r := query.Divergence{
		Height: verdict.Own.Height, Own: verdict.Own.Hash.String(), Certified: verdict.Other.Header.String(),
		TimeUs: uint64(time.Now().UnixMicro()), Unknown: "peers are being asked what they computed",
	}
	// It never got past the height of then: it is the same divergence.
	if before != nil && n.loop.Height() < before.Height && len(before.Fields) > 0 && before.Unknown == "" {
		n.log.Error("this node left the certified history where it did before", "difference", before.String(), obs.KeyFile, d.path)
		return
	}
	n.keepDivergence(r)
	n.explain(ctx, &r)
	n.log.Error("this node left the certified history", obs.KeyHeight, uint64(r.Height), "own", r.Own, "certified", r.Certified, "difference", r.String(), obs.KeyFile, d.path)
	n.keepDivergence(r)
}

func (n *Node) keepDivergence(r query.Divergence) {
	if err := n.divergence.publish(r); err != nil {
		n.log.Error("what is known of the divergence is not on disk", obs.Err(err))
	}
}

// leaves is what the state root of a height was made of here, for a peer that diverged.
func (n *Node) leaves(at chain.Height) (*pages.StateLeaves, bool) { return n.loop.Leaves(at) }
