// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/aurigraph/aurigraph/internal/fault"
)

const (
	documentVersion = 1

	encryptionNone = "none"
	encryptionAEAD = "xchacha20-poly1305"
	kdfArgon2id    = "argon2id"

	// saltBytes is RFC 9106's recommendation.
	saltBytes = 16

	// Bounds on what a file may ask of us: one pass over the largest memory takes about 0.2 s.
	kdfMemoryKiBMax     = 256 << 10
	kdfPassesMax        = 16
	kdfLanesMax         = 16
	kdfPassedKiBMax     = 1 << 20 // memory times passes
	kdfMemoryKiBLaneMin = 8       // Argon2's own minimum
)

// document is a key file: a header that anyone may read, and the secret, encrypted or (encryption "none") plain. The
// header is the associated data of the encryption. All bytes are lower-case hex.
type document struct {
	Version    int    `json:"version"`
	Scheme     string `json:"scheme"`
	PublicKey  string `json:"public_key"`
	Address    string `json:"address"`
	Encryption string `json:"encryption"`
	KDF        *kdf   `json:"kdf,omitempty"`
	Nonce      string `json:"nonce,omitempty"`
	Secret     string `json:"secret"`
}

// kdf turns a passphrase into the encryption key.
type kdf struct {
	Name      string `json:"name"`
	MemoryKiB uint32 `json:"memory_kib"`
	Passes    uint32 `json:"passes"`
	Lanes     uint8  `json:"lanes"`
	Salt      string `json:"salt"`
}

// defaultKDF is RFC 9106's second recommendation: 64 MiB, which a node can spare while it starts.
func defaultKDF() kdf { return kdf{Name: kdfArgon2id, MemoryKiB: 64 << 10, Passes: 3, Lanes: 4} }

// plainDocument writes a signer's secret unencrypted.
func plainDocument(m *memorySigner) *document {
	d := header(m.public)
	d.Encryption = encryptionNone
	seed := m.seed()
	defer clear(seed[:])
	d.Secret = hex.EncodeToString(seed[:])
	return d
}

// sealedDocument encrypts a signer's secret under a passphrase, with salt and nonce from rand.
func sealedDocument(m *memorySigner, passphrase []byte, cost kdf, rand io.Reader) (*document, error) {
	var fresh [saltBytes + chacha20poly1305.NonceSizeX]byte
	if _, err := io.ReadFull(rand, fresh[:]); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read random bytes for a key file")
	}
	salt, nonce := fresh[:saltBytes], fresh[saltBytes:]
	cost.Salt = hex.EncodeToString(salt)
	d := header(m.public)
	d.Encryption, d.KDF, d.Nonce = encryptionAEAD, &cost, hex.EncodeToString(nonce)
	key := cost.derive(passphrase, salt)
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "encrypt a key")
	}
	seed := m.seed()
	defer clear(seed[:])
	d.Secret = hex.EncodeToString(aead.Seal(nil, nonce, seed[:], d.associated(salt)))
	return d, nil
}

func header(p Public) *document {
	return &document{Version: documentVersion, Scheme: p.Scheme().String(), PublicKey: p.String(), Address: p.Address().String()}
}

// associated is every field that the encryption must protect though it does not hide it.
func (d *document) associated(salt []byte) []byte {
	var n [8]byte
	binary.LittleEndian.PutUint32(n[:], d.KDF.MemoryKiB)
	binary.LittleEndian.PutUint32(n[4:], d.KDF.Passes)
	return Message(domainKeyFile, []byte{byte(d.Version), d.KDF.Lanes}, []byte(d.Scheme), []byte(d.PublicKey),
		[]byte(d.Address), []byte(d.Encryption), []byte(d.KDF.Name), n[:], salt)
}

// parseDocument reads a key file's text and checks everything that needs no passphrase. The JSON library's errors quote
// what they read, which may be a secret, so they are not passed on.
func parseDocument(text []byte) (*document, Public, error) {
	var d document
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if dec.Decode(&d) != nil {
		return nil, Public{}, corrupt("is not a key file: JSON of another form")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Public{}, corrupt("has text after its end")
	}
	if d.Version != documentVersion {
		return nil, Public{}, corrupt("has version %d, this program reads %d", d.Version, documentVersion)
	}
	p, err := ParsePublicText(d.PublicKey)
	if err != nil {
		return nil, Public{}, fault.Wrap(fault.Corrupt, err, "key file")
	}
	if d.PublicKey != p.String() || d.Scheme != p.Scheme().String() || d.Address != p.Address().String() {
		return nil, Public{}, corrupt("contradicts itself: scheme, public key and address do not belong together")
	}
	return &d, p, d.checkEncryption()
}

func (d *document) checkEncryption() error {
	switch {
	case d.Encryption == encryptionNone && (d.KDF != nil || d.Nonce != ""):
		return corrupt("is unencrypted but has encryption parameters")
	case d.Encryption == encryptionNone:
		return nil
	case d.Encryption != encryptionAEAD:
		return corrupt("has unknown encryption %.32q", d.Encryption)
	case d.KDF == nil:
		return corrupt("is encrypted but has no kdf")
	}
	return d.KDF.check()
}

func (k *kdf) check() error {
	if k.Name != kdfArgon2id {
		return corrupt("has unknown kdf %.32q", k.Name)
	}
	if k.Passes < 1 || k.Passes > kdfPassesMax || k.Lanes < 1 || k.Lanes > kdfLanesMax ||
		k.MemoryKiB < kdfMemoryKiBLaneMin*uint32(k.Lanes) || k.MemoryKiB > kdfMemoryKiBMax || k.MemoryKiB*k.Passes > kdfPassedKiBMax {
		return corrupt("asks for a kdf of %d KiB, %d passes, %d lanes: out of bounds", k.MemoryKiB, k.Passes, k.Lanes)
	}
	return nil
}

// derive costs what k says; k is checked before.
func (k *kdf) derive(passphrase, salt []byte) []byte {
	return argon2.IDKey(passphrase, salt, k.Passes, k.MemoryKiB, k.Lanes, chacha20poly1305.KeySize)
}

// open returns the signer of a parsed document. A nil passphrase opens only an unencrypted one, and any other only an
// encrypted one: whoever gives a passphrase relies on it.
func (d *document) open(p Public, passphrase []byte) (Signer, error) {
	secret, err := d.secret(passphrase)
	defer clear(secret)
	if err != nil {
		return nil, err
	}
	if len(secret) != SeedBytes {
		return nil, corrupt("has a secret of %d bytes, must be %d", len(secret), SeedBytes)
	}
	s, err := FromSeed(p.Scheme(), [SeedBytes]byte(secret))
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "key file")
	}
	if s.Public() != p {
		return nil, corrupt("holds the secret of another key than it says")
	}
	return s, nil
}

func (d *document) secret(passphrase []byte) ([]byte, error) {
	secret, err := hex.DecodeString(d.Secret)
	if err != nil {
		return nil, corrupt("has a secret that is not hex")
	}
	if d.Encryption == encryptionNone {
		if passphrase != nil {
			clear(secret)
			return nil, fault.Reasoned(fault.Denied, "passphrase_unused", "the key file is not encrypted, though a passphrase was given: give none if you trust the file")
		}
		return secret, nil
	}
	if passphrase == nil {
		return nil, fault.Reasoned(fault.Denied, "passphrase_needed", "the key file is encrypted: give its passphrase")
	}
	return d.decrypt(secret, passphrase)
}

func (d *document) decrypt(sealed, passphrase []byte) ([]byte, error) {
	salt, errSalt := hex.DecodeString(d.KDF.Salt)
	nonce, errNonce := hex.DecodeString(d.Nonce)
	if errSalt != nil || errNonce != nil || len(salt) != saltBytes || len(nonce) != chacha20poly1305.NonceSizeX {
		return nil, corrupt("has a malformed salt or nonce")
	}
	key := d.KDF.derive(passphrase, salt)
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "decrypt a key")
	}
	secret, err := aead.Open(nil, nonce, sealed, d.associated(salt))
	if err != nil {
		return nil, fault.Reasoned(fault.Denied, "passphrase_wrong", "the passphrase is wrong, or the key file was changed")
	}
	return secret, nil
}

func corrupt(format string, args ...any) error {
	return fault.Reasoned(fault.Corrupt, "key_file", "the key file "+format, args...)
}
