// SPDX-License-Identifier: Apache-2.0

package access

import (
	"encoding/base64"
	"strings"
	"testing"
)

func unsigned(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// TestLabel: the same caller has the same label whatever it shows, another has another, and none holds what was shown.
func TestLabel(t *testing.T) {
	id, key := newSecret()
	_, other := newSecret()
	bearer := func(token string) Headers { return Headers{Authorization: []string{"Bearer " + token}} }
	same := [][]Headers{
		{{APIKey: []string{key}}, bearer(key), {APIKey: []string{" " + key}}},
		{{APIKey: []string{other}}},
		{bearer(unsigned(`{"iss":"a","sub":"ann","exp":1}`)), bearer(unsigned(`{"sub":"ann","iss":"a","exp":2}`))},
		{bearer(unsigned(`{"iss":"b","sub":"ann"}`))},
		{bearer(unsigned(`{"iss":"b"}`))},
		{bearer(unsigned(`no JSON`))},
		{bearer("a.!.c")},
		{{APIKey: []string{"hunter2"}}},
		{{Authorization: []string{"hunter2"}}},
		{{APIKey: []string{key, other}}},
		{{Authorization: []string{"Basic " + strings.Repeat("x", credentialBytesMax)}}},
	}
	seen := map[string]int{}
	for i, all := range same {
		for _, h := range all {
			label := h.Label()
			if at, was := seen[label]; was && at != i {
				t.Errorf("%d and %d are both %s", i, at, label)
			}
			seen[label] = i
			for _, shown := range append(h.APIKey, h.Authorization...) {
				if strings.Contains(label, shown) || label == "" || len(label) > 40 {
					t.Errorf("%d: the label %q of %.80q", i, label, shown)
				}
			}
			if secret := key[len(key)-secretChars:]; strings.Contains(label, secret) {
				t.Errorf("%d: the label %q has the secret", i, label)
			}
		}
	}
	if len(seen) != len(same) {
		t.Errorf("%d labels, want %d: %v", len(seen), len(same), seen)
	}
	h := Headers{APIKey: []string{key}}
	if got := h.Label(); got != "key/"+id {
		t.Errorf("a key is %q, want its id %s", got, id)
	}
	if got := new(Headers).Label(); got != "" {
		t.Errorf("nothing shown is %q", got)
	}
}
