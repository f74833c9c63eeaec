// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Domains of what is hashed under the network's alias key. Whoever has only the ledger can try neither keys nor names out.
const (
	keyDomain  = "aurigraph/custody/key/v1"
	bodyDomain = "aurigraph/custody/body/v1"
)

// Key is the ledger's name of an idempotency key that a caller gave: a caller cannot meet another's. It is never all zero.
func (d *Desk) Key(caller, key string) (out chain.IdempotencyKey) {
	copy(out[:], sum(d.cfg.AliasKey, keyDomain, []byte(caller), []byte(key)))
	if out.IsZero() {
		out[0] = 1
	}
	return out
}

// Body is the hash of what a payment asks for. Payments that differ in payer, payee, asset or amount have different ones.
func (d *Desk) Body(p *Payment) (out [16]byte) {
	var amount [16]byte
	binary.LittleEndian.PutUint64(amount[:], p.Amount.Lo)
	binary.LittleEndian.PutUint64(amount[8:], p.Amount.Hi)
	copy(out[:], sum(d.cfg.AliasKey, bodyDomain, []byte(p.From), []byte(p.To), []byte(p.assetCode()), amount[:]))
	return out
}

func (p *Payment) assetCode() string {
	if p.Asset == "" {
		return DefaultAsset
	}
	return p.Asset
}

func sum(k *keys.AliasKey, domain string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, k[:])
	_, _ = h.Write(keys.Message(domain, parts...)) // a hash takes all
	return h.Sum(nil)
}
