// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// keyring is the public keys of the ledger by number, each with the height that made it. A number is never given twice,
// and a revoked key's signatures still verify: whether it may act is the ledger's outcome. Execution adds, workers read.
type keyring struct {
	mu    sync.RWMutex
	known []knownKey // by number; 0 is unused
	cache *keys.Cache
}

type knownKey struct {
	public []byte
	since  chain.Height
}

// newKeyring takes the keys of a state at height h.
func newKeyring(l *ledger.Ledger, h chain.Height) *keyring {
	r := &keyring{known: make([]knownKey, 1), cache: keys.NewCache(keys.CacheEntriesMax, keys.CacheBytesMax)}
	for no := chain.KeyNo(1); uint32(no) <= l.Counts().Keys; no++ {
		if k, ok := l.Key(no); ok {
			r.add(h, []ledger.KeyChange{k})
		}
	}
	return r
}

// add notes the keys that height h changed.
func (r *keyring) add(h chain.Height, changes []ledger.KeyChange) {
	if len(changes) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range changes {
		for int(k.No) >= len(r.known) {
			r.known = append(r.known, knownKey{})
		}
		if r.known[k.No].public == nil {
			r.known[k.No] = knownKey{k.Public, h}
		}
	}
}

// errNoKey says that a key did not exist when a payload executed, or was not known yet to who asks.
var errNoKey = errors.New("the key did not exist before that height")

// before returns the verifier of a key that was there when the block of height h began, or errNoKey.
func (r *keyring) before(h chain.Height, no chain.KeyNo) (*keys.Verifier, error) {
	r.mu.RLock()
	var k knownKey
	if int(no) < len(r.known) {
		k = r.known[no]
	}
	r.mu.RUnlock()
	if k.public == nil || k.since >= h {
		return nil, errNoKey
	}
	return r.cache.Find(k.public)
}

// signatureBatch checks the signatures of one payload at a time.
type signatureBatch struct{ batch *keys.Batch }

// check says what is wrong with the signatures of a payload that executes at height h, or nothing. With future, the
// payload was never published: its key may come from a block that was not either, and then nothing can be said.
func (s *signatureBatch) check(r *keyring, e *entry, h chain.Height, future bool) string {
	var err error
	if e.Entry.Kind == chain.PayloadBatch {
		err = checkBatch(r, e, h)
	} else {
		err = s.checkTxs(r, e, h)
	}
	if err == nil || future && errors.Is(err, errNoKey) {
		return ""
	}
	return err.Error()
}

func checkBatch(r *keyring, e *entry, h chain.Height) error {
	b, err := chain.ParseBatch(e.Payload())
	if err != nil {
		return err
	}
	header := b.Header()
	if header.Key != e.Key {
		return fmt.Errorf("the batch is signed with key %d, its record says %d", header.Key, e.Key)
	}
	key, err := r.before(h, header.Key)
	if err != nil {
		return fmt.Errorf("key %d: %w", header.Key, err)
	}
	if !key.Verify(keys.BatchMessage(header.Chain, e.Entry.Payload), e.Signature) {
		return fmt.Errorf("the signature of batch %s is not valid under key %d", e.Entry.Payload, header.Key)
	}
	return nil
}

func (s *signatureBatch) checkTxs(r *keyring, e *entry, h chain.Height) error {
	if e.Key != 0 || len(e.Signature) != 0 {
		return errors.New("the record of single transactions has a signature of its own")
	}
	signed, err := codec.SplitTxBatch(e.Payload())
	if err != nil {
		return err
	}
	if s.batch == nil {
		s.batch = keys.NewBatch()
	}
	s.batch.Reset()
	for i, raw := range signed {
		tx, id, err := codec.DecodeSignedTx(raw)
		if err != nil {
			return fmt.Errorf("transaction %d: %w", i, err)
		}
		key, err := r.before(h, tx.Key)
		if err != nil {
			return fmt.Errorf("transaction %d, %s, key %d: %w", i, id, tx.Key, err)
		}
		s.batch.Add(key, keys.TxMessage(tx.Chain, id), tx.Signature)
	}
	for i, valid := range s.batch.Verify() {
		if !valid {
			return fmt.Errorf("the signature of transaction %d is not valid", i)
		}
	}
	return nil
}
