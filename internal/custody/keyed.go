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
func (d *Desk) Key(caller, key string) chain.IdempotencyKey {
	return SharedKeys{d.cfg.AliasKey}.Key(caller, key)
}

// SharedKeys makes what a desk's Key and Body make, for who has the network's alias key and no desk: a V10 that the network is synced
// with.
type SharedKeys struct{ Alias *keys.AliasKey }

// Key is Desk.Key.
func (s SharedKeys) Key(caller, key string) (out chain.IdempotencyKey) {
	copy(out[:], sum(s.Alias, keyDomain, []byte(caller), []byte(key)))
	if out.IsZero() {
		out[0] = 1
	}
	return out
}

// Body is the hash of what a payment asks for. Payments that differ in payer, payee, asset or amount have different ones.
func (d *Desk) Body(p *Payment) [16]byte {
	return SharedKeys{d.cfg.AliasKey}.Body(p.From, p.To, p.assetCode(), p.Amount)
}

// Body is Desk.Body of a payment of units.
func (s SharedKeys) Body(from, to, asset string, units chain.Amount) (out [16]byte) {
	var amount [16]byte
	binary.LittleEndian.PutUint64(amount[:], units.Lo)
	binary.LittleEndian.PutUint64(amount[8:], units.Hi)
	copy(out[:], sum(s.Alias, bodyDomain, []byte(from), []byte(to), []byte(asset), amount[:]))
	return out
}

func (p *Payment) assetCode() string {
	if p.Asset == "" {
		return DefaultAsset
	}
	return p.Asset
}

func sum(k *keys.AliasKey, domain string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, k.Secret[:])
	_, _ = h.Write(keys.Message(domain, parts...)) // a hash takes all
	return h.Sum(nil)
}
