// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// txVerifier is the memory that verifying a message of single transactions takes: about 1 KB a signature, which would be
// garbage after each message.
type txVerifier struct {
	batch    *keys.Batch
	messages []byte // what was signed, one after the other
}

func (v *txVerifier) add(key *keys.Verifier, id chain.ChainID, tx chain.Hash, signature []byte) {
	from := len(v.messages)
	v.messages = keys.AppendTxMessage(v.messages, id, tx)
	// When messages grows, the parts added before stay where they were, and are as good.
	v.batch.Add(key, v.messages[from:len(v.messages):len(v.messages)], signature)
}

// txVerifiers keeps what was used for the next call: as many as there are places, more are left to the collector.
type txVerifiers chan *txVerifier

func (vs txVerifiers) take() *txVerifier {
	select {
	case v := <-vs:
		return v
	default:
		return &txVerifier{batch: keys.NewBatch()}
	}
}

func (vs txVerifiers) put(v *txVerifier) {
	v.batch.Reset()
	v.messages = v.messages[:0]
	select {
	case vs <- v:
	default:
	}
}
