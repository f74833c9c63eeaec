// SPDX-License-Identifier: Apache-2.0

package access

import "strings"

// credentialBytesMax bounds a header's value that is looked at. Longer ones are refused.
const credentialBytesMax = 8 << 10

// Headers is all values of the headers that say who calls. gRPC calls them x-api-key and authorization.
type Headers struct {
	APIKey        []string // X-API-Key
	Authorization []string // Authorization
}

// credential is what a caller shows: an API key or a token, neither of them checked.
type credential struct {
	key, token string
}

// read finds the one credential of a request. Two of them are refused even if they are equal: a proxy and the server behind
// it must not choose differently.
func (h *Headers) read() (credential, refusal) {
	n := len(h.APIKey) + len(h.Authorization)
	switch {
	case n == 0:
		return credential{}, refusedMissing
	case n > 1:
		return credential{}, refusedAmbiguous
	case len(h.APIKey) == 1:
		return readKey(h.APIKey[0])
	}
	return readAuthorization(h.Authorization[0])
}

func readKey(value string) (credential, refusal) {
	value = strings.Trim(value, " \t")
	if !isKeyText(value) {
		return credential{}, refusedMalformed
	}
	return credential{key: value}, ""
}

func readAuthorization(value string) (credential, refusal) {
	scheme, value, _ := strings.Cut(strings.Trim(value, " \t"), " ")
	value = strings.Trim(value, " \t")
	switch {
	case !strings.EqualFold(scheme, "bearer"):
		return credential{}, refusedScheme
	case strings.HasPrefix(value, keyPrefix):
		return readKey(value)
	case !isTokenText(value):
		return credential{}, refusedMalformed
	}
	return credential{token: value}, ""
}

// isTokenText reports whether s has the form of a signed token: three parts of base64url.
func isTokenText(s string) bool {
	if len(s) > credentialBytesMax || strings.Count(s, ".") != 2 {
		return false
	}
	for i := range len(s) {
		b := s[i]
		if !('A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_' || b == '.') {
			return false
		}
	}
	return true
}

// refusal is why a caller was not let in, as it is counted. The caller itself is told nothing but that it must say who it is.
type refusal string

// The refusals.
const (
	refusedMissing   refusal = "missing"
	refusedAmbiguous refusal = "ambiguous"
	refusedScheme    refusal = "scheme"
	refusedMalformed refusal = "malformed"
	refusedKey       refusal = "unknown_key"
	refusedUser      refusal = "unknown_user"
	refusedPassword  refusal = "password"
	refusedToken     refusal = "token"   // not signed by whom it names, expired, for others
	refusedSession   refusal = "session" // of this server, and revoked or replaced
	refusedReuse     refusal = "reuse"   // refreshed a second time: the session is over
	refusedIssuer    refusal = "unknown_issuer"
	refusedKeySet    refusal = "unknown_signer" // the issuer's set has no such key
	refusedClaims    refusal = "claims"         // genuine, and grants nothing that is understood
)
