// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// An API key is ak_ID_SECRET, in lower-case base32: 80 bits that name it, in clear wherever it is talked of, and 256 random bits.
const (
	keyPrefix    = "ak_"
	idBytes      = 10
	secretBytes  = 32
	idChars      = 16
	secretChars  = 52
	keyTextChars = len(keyPrefix) + idChars + 1 + secretChars
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// hashDomain keys the hash of API keys, so that it is the hash of nothing else.
const hashDomain = "aurigraph/access/apikey/1"

// newSecret draws an API key.
func newSecret() (id, text string) {
	var raw [idBytes + secretBytes]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the process instead
	id = base32Lower.EncodeToString(raw[:idBytes])
	return id, keyPrefix + id + "_" + base32Lower.EncodeToString(raw[idBytes:])
}

// isKeyText reports whether s has the form of an API key.
func isKeyText(s string) bool {
	if len(s) != keyTextChars || !strings.HasPrefix(s, keyPrefix) || s[len(keyPrefix)+idChars] != '_' {
		return false
	}
	return isBase32(keyID(s)) && isBase32(s[keyTextChars-secretChars:])
}

// isID reports whether s has the form of a key's id.
func isID(s string) bool { return len(s) == idChars && isBase32(s) }

func isBase32(s string) bool {
	for i := range len(s) {
		if b := s[i]; !('a' <= b && b <= 'z' || '2' <= b && b <= '7') {
			return false
		}
	}
	return true
}

// keyID is the id in the text of an API key.
func keyID(text string) string { return text[len(keyPrefix):][:idChars] }

// hashKey is what a file keeps of an API key. A fast hash is enough: nobody guesses 256 random bits, however fast each guess is. A slow
// one, as passwords need it, would cost each request 30 ms and anybody could make the server compute it.
func hashKey(text string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, []byte(hashDomain))
	h.Write([]byte(text))
	h.Sum(sum[:0])
	return sum
}

func equalHash(a, b *[sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// parseHash reads 64 hex digits.
func parseHash(text string) (sum [sha256.Size]byte, ok bool) {
	if len(text) != 2*len(sum) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}
