// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// certsPerChunk is how many certificates are verified together; a chunk per core is under way at a time.
const certsPerChunk = 256

// certChecker verifies certificates on all cores.
type certChecker struct {
	*audit
	chunk []certified
	group errgroup.Group
}

// certified is a certificate with what its signatures are over.
type certified struct {
	set    *epoch.Set // of its epoch
	header *chain.ExecutedHeader
	hash   chain.Hash
	cert   *chain.Certificate
}

func (a *audit) newCertChecker() *certChecker {
	c := &certChecker{audit: a}
	c.group.SetLimit(runtime.GOMAXPROCS(0))
	return c
}

// add takes a certificate whose framing was checked. It blocks while every core has a chunk.
func (c *certChecker) add(h *chain.ExecutedHeader, hash chain.Hash, cert *chain.Certificate) {
	set := c.epochs.At(h.Epoch)
	if set == nil {
		return // the chain walk says so
	}
	c.chunk = append(c.chunk, certified{set, h, hash, cert})
	if len(c.chunk) == certsPerChunk {
		c.flush()
	}
}

func (c *certChecker) flush() {
	chunk := c.chunk
	c.chunk = nil
	c.group.Go(func() error {
		c.check(chunk)
		return nil
	})
}

func (c *certChecker) wait() error {
	c.flush()
	return c.group.Wait()
}

// check verifies the header signatures of a chunk in one batch, and each root's signatures by themselves.
func (c *certChecker) check(chunk []certified) {
	batch := keys.NewBatch()
	var of []*certified // who an entry of the batch belongs to
	for i := range chunk {
		x := &chunk[i]
		if !c.quorum(x) {
			continue
		}
		for _, s := range x.cert.Signatures {
			batch.Add(x.set.HeaderKey(s.Validator), keys.HeaderMessage(x.header.Chain, x.hash), s.Header)
			of = append(of, x)
		}
		c.root(x)
	}
	for i, valid := range batch.Verify() {
		if !valid {
			c.wrong(of[i].header.Height, "a signature of the certificate is not valid")
		}
	}
}

// quorum reports whether the signers are a quorum of the members, each once.
func (c *certChecker) quorum(x *certified) bool {
	seen := map[chain.ValidatorNo]bool{}
	for _, s := range x.cert.Signatures {
		if x.set.HeaderKey(s.Validator) == nil || seen[s.Validator] {
			c.wrong(x.header.Height, "the certificate has a signature of validator %d, who cannot sign it", s.Validator)
			return false
		}
		seen[s.Validator] = true
	}
	if quorum := x.set.Quorum(); len(seen) < quorum {
		c.wrong(x.header.Height, "the certificate has %d signatures, a quorum is %d", len(seen), quorum)
		return false
	}
	return true
}

// root checks the signatures of the state root, which stand exactly where the header carries one.
func (c *certChecker) root(x *certified) {
	h := x.header
	msg := keys.RootMessage(h.Chain, h.Epoch, h.RootAt, h.StateRoot)
	for _, s := range x.cert.Signatures {
		switch v := x.set.RootKey(s.Validator); {
		case h.RootAt == 0 && len(s.Root) > 0:
			c.wrong(h.Height, "validator %d signed a state root, but the header carries none", s.Validator)
		case h.RootAt != 0 && !v.Verify(msg, s.Root):
			c.wrong(h.Height, "the signature of validator %d for the state root of height %d is not valid", s.Validator, h.RootAt)
		}
	}
}
