// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// labelDigits is how many hex digits of a hash stand in a label.
const labelDigits = 16

// labelDomain keys the hash, so that it is no hash of a credential by itself.
const labelDomain = "aurigraph/access/label/1\n"

// Label names who shows a credential, without checking it, so that requests can be counted by caller where nobody knows the keys. Of an API
// key it is its id, as Caller.ID; of a token the hash of its issuer and subject, which stays when the token is renewed; of anything else the
// hash of what was shown. No secret can be had from it, and it proves nothing. Empty: nothing was shown.
func (h *Headers) Label() string {
	c, refused := h.read()
	switch {
	case refused == refusedMissing:
		return ""
	case c.key != "":
		return kindKey + "/" + keyID(c.key)
	case c.token != "":
		return "token/" + labelHash(subjectOf(c.token))
	}
	return "other/" + labelHash(strings.Join(h.APIKey, "\n")+"\n\n"+strings.Join(h.Authorization, "\n"))
}

func labelHash(text string) string {
	sum := sha256.Sum256([]byte(labelDomain + text))
	return hex.EncodeToString(sum[:])[:labelDigits]
}

// subjectOf is whom a token names; one that names nobody is its own subject.
func subjectOf(token string) string {
	var claims struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Subject == "" {
		return token
	}
	return claims.Issuer + "\n" + claims.Subject
}
