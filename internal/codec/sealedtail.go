// SPDX-License-Identifier: Apache-2.0

package codec

import "bytes"

// SealedTailMax bounds the headers of a sealed tail: so many may be signed and not certified (seal.VotesMax).
const SealedTailMax = 64

// AppendSealedTail appends what stands where a certificate would, for a header that a seal stands for: the headers above it,
// from the next one up to the one that the handover names. None: the header is that one. More than SealedTailMax, or one over
// HeaderBytesMax, break an invariant.
func AppendSealedTail(dst []byte, headers [][]byte) []byte {
	w := writer{dst}
	w.raw([]byte(magicSealedTail))
	w.count(len(headers), SealedTailMax)
	for _, h := range headers {
		w.bytes(h, HeaderBytesMax)
	}
	return w.b
}

// DecodeSealedTail reads encoded headers above one that a seal stands for. It checks the framing only; package epoch checks
// that they lead to the handover.
func DecodeSealedTail(b []byte) (headers [][]byte, err error) {
	r := reader{b: b, what: "sealed tail"}
	r.magic(magicSealedTail)
	for range r.count(SealedTailMax, 2) {
		headers = append(headers, r.bytes(HeaderBytesMax))
	}
	return headers, r.done()
}

// IsSealedTail tells a sealed tail from a certificate.
func IsSealedTail(b []byte) bool { return bytes.HasPrefix(b, []byte(magicSealedTail)) }
