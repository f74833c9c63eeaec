// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// KeysMax bounds the API keys of a file.
const KeysMax = 16_384

const fileVersion = 1

// Key is an API key as the file has it: everything but the secret.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"` // what for, in words of who made it
	Hash    string    `json:"hash"` // of the whole text of the key, 64 hex digits
	Created time.Time `json:"created"`
	Caller  string    `json:"caller,omitempty"` // id of the key that it replaces, whose caller it is; empty: it is its own
	Grant
}

type keyDocument struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// keySet is the keys of a file, checked.
type keySet struct {
	keys []Key
	by   map[string]*heldKey
}

type heldKey struct {
	hash   [sha256.Size]byte
	name   string
	caller string
	permit *permit
}

// parseKeys checks a file. Grants that leave a limit open get those of otherwise.
func parseKeys(text []byte, otherwise Limits) (*keySet, error) {
	s := &keySet{by: map[string]*heldKey{}}
	if len(text) == 0 {
		return s, nil
	}
	var d keyDocument
	if err := decodeStrict(text, &d); err != nil {
		return nil, err
	}
	if d.Version != fileVersion || len(d.Keys) > KeysMax {
		return nil, fault.New(fault.Invalid, "has version %d and %d keys: this program reads version %d with at most %d", d.Version, len(d.Keys), fileVersion, KeysMax)
	}
	for i := range d.Keys {
		held, err := d.Keys[i].hold(otherwise)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if s.by[d.Keys[i].ID] != nil {
			return nil, fault.New(fault.Invalid, "key %d: its id %s is another's, too", i+1, d.Keys[i].ID)
		}
		s.by[d.Keys[i].ID] = held
	}
	s.keys = d.Keys
	return s, nil
}

func (k *Key) hold(otherwise Limits) (*heldKey, error) {
	hash, ok := parseHash(k.Hash)
	switch {
	case !isID(k.ID) || (k.Caller != "" && !isID(k.Caller)):
		return nil, fault.New(fault.Invalid, "an id has %d characters of a-z and 2-7", idChars)
	case !ok:
		return nil, fault.New(fault.Invalid, "the hash is not %d hex digits", 2*sha256.Size)
	case len(k.Name) > v10.APIKeyNameBytesMax:
		return nil, fault.New(fault.Invalid, "the name is longer than %d bytes", v10.APIKeyNameBytesMax)
	}
	p, err := k.compile(otherwise)
	return &heldKey{hash: hash, name: k.Name, caller: k.Caller, permit: p}, err
}

// find is the key of a text, or nil. An unknown id takes as long as a wrong secret.
func (s *keySet) find(text string) *heldKey {
	sum := hashKey(text)
	held, known := s.by[keyID(text)]
	if !known {
		held = &nobody
	}
	if !equalHash(&sum, &held.hash) || !known {
		return nil
	}
	return held
}

var nobody heldKey

// NewKey adds an API key to a file, which it makes if there is none, and returns the key and its text: nobody can have that again.
// Invalid: the grant or the name will not do. Denied: others may access the file. Refused: it holds KeysMax keys.
func NewKey(path, name string, g Grant) (k Key, text string, err error) {
	id, text := newSecret()
	sum := hashKey(text)
	k = Key{ID: id, Name: name, Hash: hex.EncodeToString(sum[:]), Created: time.Now().UTC().Truncate(time.Second), Grant: g}
	if _, err = k.hold(DefaultLimits()); err != nil {
		return Key{}, "", err
	}
	err = changeKeys(path, func(all []Key) ([]Key, error) {
		if len(all) >= KeysMax {
			return nil, keysFull(path)
		}
		return append(all, k), nil
	})
	if err != nil {
		return Key{}, "", err
	}
	return k, text, nil
}

// ReplaceKey adds an API key that may do what another may, and is the same caller: what was sent under an Idempotency-Key with the one is not
// done again with the other. Both are good until the old one is revoked. NotFound: there is no such key.
func ReplaceKey(path, old string) (k Key, text string, err error) {
	id, text := newSecret()
	sum := hashKey(text)
	err = changeKeys(path, func(all []Key) ([]Key, error) {
		at := slices.IndexFunc(all, func(k Key) bool { return k.ID == old })
		if at < 0 {
			return nil, noKey(path, old)
		}
		if len(all) >= KeysMax {
			return nil, keysFull(path)
		}
		k = all[at]
		if k.Caller == "" {
			k.Caller = old
		}
		k.ID, k.Hash, k.Created = id, hex.EncodeToString(sum[:]), time.Now().UTC().Truncate(time.Second)
		return append(all, k), nil
	})
	if err != nil {
		return Key{}, "", err
	}
	return k, text, nil
}

func noKey(path, id string) error {
	return fault.New(fault.NotFound, "%s has no key %s: see `aurigraph apikey list`", path, id)
}

func keysFull(path string) error {
	return fault.Reasoned(fault.Refused, "keys_full", "%s holds %d keys, which is the most: revoke some", path, KeysMax)
}

// RevokeKey takes an API key out of a file. NotFound: there is no such key.
func RevokeKey(path, id string) error {
	return changeKeys(path, func(all []Key) ([]Key, error) {
		at := slices.IndexFunc(all, func(k Key) bool { return k.ID == id })
		if at < 0 {
			return nil, noKey(path, id)
		}
		return slices.Delete(all, at, at+1), nil
	})
}

// ListKeys reads the keys of a file, oldest first; none without a file.
func ListKeys(path string) ([]Key, error) {
	text, err := load(path)
	if err != nil {
		return nil, err
	}
	s, err := parseKeys(text, DefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s.keys, nil
}

func changeKeys(path string, change func([]Key) ([]Key, error)) error {
	return exclusive(path, func() error {
		all, err := ListKeys(path)
		if err != nil {
			return err
		}
		if all, err = change(all); err != nil {
			return err
		}
		text, err := encodeIndented(keyDocument{Version: fileVersion, Keys: all})
		if err != nil {
			return err
		}
		if len(text) > fileBytesMax {
			return fault.Reasoned(fault.Refused, "keys_full", "%s would be larger than %d bytes: revoke some keys", path, fileBytesMax)
		}
		return replacePrivate(path, text)
	})
}
