// SPDX-License-Identifier: Apache-2.0

package keys

import "encoding/binary"

// Domains of signed messages. One purpose each; append only. A domain is neither 1-4 nor 25 bytes long, so that a
// message never begins like an Ethereum typed transaction (01-04) or signed message (19): a secp256k1 key that is also
// used on Ethereum cannot be tricked into signing for both.
const (
	DomainBatch          = "aurigraph/batch/v1"
	DomainTx             = "aurigraph/tx/v1"
	DomainExecutedHeader = "aurigraph/executed-header/v1"
	DomainStateRoot      = "aurigraph/state-root/v1"
)

// domainKeyFile binds a key file's header to its encrypted secret. It is never signed.
const domainKeyFile = "aurigraph/key-file/v1"

// Message returns the bytes to sign: domain and parts, each behind its length as u64 little-endian. The form is
// injective: other parts, or the same bytes cut elsewhere, or another domain, are another message. The chain id is a
// part that the caller gives, where a signature must hold on one chain only.
func Message(domain string, parts ...[]byte) []byte {
	n := 8 + len(domain)
	for _, p := range parts {
		n += 8 + len(p)
	}
	return AppendMessage(make([]byte, 0, n), domain, parts...)
}

// AppendMessage appends Message(domain, parts...) to dst, for callers who reuse a buffer.
func AppendMessage(dst []byte, domain string, parts ...[]byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(domain)))
	dst = append(dst, domain...)
	for _, p := range parts {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(p)))
		dst = append(dst, p...)
	}
	return dst
}
