// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// cheap is a KDF for tests.
func cheap() kdf { return kdf{Name: kdfArgon2id, MemoryKiB: 64, Passes: 1, Lanes: 1} }

// newKeyFile writes a signer's file in a new folder.
func newKeyFile(t testing.TB, s Signer, passphrase []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.json")
	if err := writeFile(path, s, passphrase, cheap()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileRoundTrip(t *testing.T) {
	for _, s := range Schemes() {
		for _, passphrase := range [][]byte{nil, []byte("correct horse")} {
			signer := testSigner(t, s, 1)
			path := newKeyFile(t, signer, passphrase)
			got, err := ReadFile(path, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			msg := []byte("m")
			if got.Public() != signer.Public() || !bytes.Equal(mustSign(t, got, msg), mustSign(t, signer, msg)) {
				t.Errorf("%s: another key came back", s)
			}
			p, encrypted, err := Inspect(path)
			if p != signer.Public() || encrypted != (passphrase != nil) || err != nil {
				t.Errorf("%s: Inspect: %v %v", s, encrypted, err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v, %v", s, info.Mode(), err)
			}
			text, seed := slurp(t, path), testSeed(1)
			if strings.Contains(text, hex.EncodeToString(seed[:])) != (passphrase == nil) || len(text) > 8<<10 {
				t.Errorf("%s: the file of %d bytes shows the secret, or hides it though unencrypted", s, len(text))
			}
		}
	}
}

func slurp(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFileDefaultCost runs the real KDF once.
func TestFileDefaultCost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	signer := testSigner(t, MLDSA65, 1)
	if err := WriteFile(path, signer, []byte("pass")); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFile(path, []byte("pass")); err != nil || got.Public() != signer.Public() {
		t.Fatal(err)
	}
	if text := slurp(t, path); !strings.Contains(text, "\"memory_kib\": 65536") || !strings.Contains(text, "\"passes\": 3") {
		t.Error(text)
	}
}

func TestFileNeverOverwrites(t *testing.T) {
	path := newKeyFile(t, testSigner(t, Ed25519, 1), nil)
	before := slurp(t, path)
	if err := writeFile(path, testSigner(t, Ed25519, 2), nil, cheap()); !fault.Is(err, fault.Conflict) || slurp(t, path) != before {
		t.Error("an existing key file must be left alone:", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(t.TempDir(), "target"), link); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(link, testSigner(t, Ed25519, 2), nil, cheap()); !fault.Is(err, fault.Conflict) {
		t.Error("a link must not be followed:", err)
	}
}

type remoteSigner struct{ Signer }

func TestFileWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.json")
	signer := testSigner(t, Ed25519, 1)
	if err := WriteFile(path, remoteSigner{signer}, nil); !fault.Is(err, fault.Invalid) {
		t.Error("a secret that is elsewhere:", err)
	}
	if err := WriteFile(path, signer, []byte{}); !fault.Is(err, fault.Invalid) {
		t.Error("an empty passphrase:", err)
	}
	if err := WriteFile(filepath.Join(dir, "no", "folder"), signer, nil); !fault.Is(err, fault.Unavailable) || !errors.Is(err, fs.ErrNotExist) {
		t.Error("no folder:", err)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Error("a refused write left files:", left, err)
	}
	if err := syncFolder(path); err == nil {
		t.Error("a folder that is not there was synced")
	}
	if _, err := sealedDocument(signer.(*memorySigner), []byte("p"), cheap(), iotest.ErrReader(errors.New("none"))); !fault.Is(err, fault.Unavailable) {
		t.Error("no randomness:", err)
	}
}

func TestFileUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	old := syscall.Umask(0o777)
	err := writeFile(path, testSigner(t, Ed25519, 1), nil, cheap())
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("a strict umask made a file its owner cannot read:", err)
	}
}

func TestFileModes(t *testing.T) {
	path := newKeyFile(t, testSigner(t, Ed25519, 1), nil)
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o660: false, 0o644: false, 0o610: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadFile(path, nil)
		if ok && err != nil {
			t.Errorf("%o: %v", mode, err)
		}
		if !ok && (!fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "chmod 600 "+path)) {
			t.Errorf("%o: %v", mode, err)
		}
	}
}

func TestFileKinds(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, bytes.Repeat([]byte(" "), keyFileBytesMax+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]fault.Kind{
		filepath.Join(dir, "none"):         fault.NotFound,
		dir:                                fault.Invalid,
		pipe:                               fault.Invalid,
		large:                              fault.Corrupt,
		filepath.Join(large, "not-folder"): fault.Unavailable,
	} {
		if _, err := ReadFile(path, nil); !fault.Is(err, kind) {
			t.Errorf("ReadFile: %v, must be %v", err, kind)
		}
		if _, _, err := Inspect(path); !fault.Is(err, kind) {
			t.Errorf("Inspect: %v, must be %v", err, kind)
		}
	}
	if openKind(fs.ErrPermission) != fault.Denied {
		t.Error("no permission must be denied")
	}
}

func TestFilePassphrase(t *testing.T) {
	sealed := newKeyFile(t, testSigner(t, Ed25519, 1), []byte("right"))
	plain := newKeyFile(t, testSigner(t, Ed25519, 1), nil)
	for _, c := range []struct {
		path       string
		passphrase []byte
		reason     string
	}{
		{sealed, []byte("wrong"), "passphrase_wrong"},
		{sealed, []byte{}, "passphrase_wrong"},
		{sealed, nil, "passphrase_needed"},
		{plain, []byte("right"), "passphrase_unused"},
	} {
		_, err := ReadFile(c.path, c.passphrase)
		if !fault.Is(err, fault.Denied) || fault.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%q: %v", c.passphrase, err)
		}
	}
}

// TestFileDamage changes each field, and each character, of a file: nothing may open, and no error may tell the secret.
func TestFileDamage(t *testing.T) {
	for _, passphrase := range [][]byte{nil, []byte("pass")} {
		good := slurp(t, newKeyFile(t, testSigner(t, Secp256k1, 1), passphrase))
		p := testSigner(t, Secp256k1, 1).Public()
		seed := testSeed(1)
		for at := range good {
			bad := []byte(good)
			bad[at] ^= 1
			s, err := openText(bad, passphrase)
			if err == nil && s.Public() != p {
				t.Errorf("byte %d of %q changed: another key opens", at, good[at])
			}
			// White space and the case of the secret's digits say nothing; all else must be noticed.
			if err == nil && strings.TrimSpace(good[at:at+1]) != "" {
				t.Errorf("byte %d, %q, may be changed", at, good[at])
			}
			if err != nil && strings.Contains(err.Error(), hex.EncodeToString(seed[:4])) {
				t.Errorf("an error tells the secret: %v", err)
			}
		}
	}
}

// openText opens a key file's text, refusing costly KDFs that a test has no time for.
func openText(text, passphrase []byte) (Signer, error) {
	d, p, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	if d.KDF != nil && (d.KDF.MemoryKiB > 1<<10 || d.KDF.Passes > 3) {
		return nil, errors.New("too costly for a test")
	}
	return d.open(p, passphrase)
}

func TestDocumentRefuses(t *testing.T) {
	pass := []byte("pass")
	m := testSigner(t, Ed25519, 1).(*memorySigner)
	other := testSigner(t, Ed25519, 2).Public()
	secp := header(testSigner(t, Secp256k1, 1).Public())
	for name, edit := range map[string]func(d *document){
		"version":         func(d *document) { d.Version = 2 },
		"key":             func(d *document) { d.PublicKey = "ed25519:00" },
		"key's case":      func(d *document) { d.PublicKey = "ed25519:" + strings.ToUpper(d.PublicKey[8:]) },
		"other key":       func(d *document) { d.PublicKey = other.String() },
		"scheme":          func(d *document) { d.Scheme = "secp256k1" },
		"address":         func(d *document) { d.Address = other.Address().String() },
		"encryption":      func(d *document) { d.Encryption = "rot13" },
		"no kdf":          func(d *document) { d.KDF = nil },
		"kdf":             func(d *document) { d.KDF.Name = "scrypt" },
		"no memory":       func(d *document) { d.KDF.MemoryKiB = 7 },
		"memory":          func(d *document) { d.KDF.MemoryKiB = kdfMemoryKiBMax + 1 },
		"all memory":      func(d *document) { d.KDF.MemoryKiB = 1<<32 - 1 },
		"no passes":       func(d *document) { d.KDF.Passes = 0 },
		"passes":          func(d *document) { d.KDF.Passes = kdfPassesMax + 1 },
		"no lanes":        func(d *document) { d.KDF.Lanes = 0 },
		"lanes":           func(d *document) { d.KDF.Lanes = kdfLanesMax + 1 },
		"memory x passes": func(d *document) { d.KDF.MemoryKiB, d.KDF.Passes = kdfMemoryKiBMax, 5 },
		"salt":            func(d *document) { d.KDF.Salt = "zz" },
		"short salt":      func(d *document) { d.KDF.Salt = "00" },
		"nonce":           func(d *document) { d.Nonce = "" },
		"secret":          func(d *document) { d.Secret = "zz" },
		"downgrade":       func(d *document) { d.Encryption = encryptionNone },
	} {
		d, err := sealedDocument(m, pass, cheap(), bytes.NewReader(make([]byte, 64)))
		if err != nil {
			t.Fatal(err)
		}
		edit(d)
		if err := reopen(t, d, pass); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, edit := range map[string]func(d *document){
		"other secret": func(d *document) { d.Secret = strings.Repeat("01", SeedBytes) },
		"short secret": func(d *document) { d.Secret = "00" },
		"nonce":        func(d *document) { d.Nonce = "00" },
		"no such secret": func(d *document) {
			*d = *secp
			d.Encryption, d.Secret = encryptionNone, strings.Repeat("00", SeedBytes)
		},
	} {
		d := plainDocument(m)
		edit(d)
		if err := reopen(t, d, nil); !fault.Is(err, fault.Corrupt) {
			t.Errorf("unencrypted, %s: %v", name, err)
		}
	}
}

func reopen(t *testing.T, d *document, passphrase []byte) error {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	_, err = openText(text, passphrase)
	return err
}

func TestDocumentForm(t *testing.T) {
	d := plainDocument(testSigner(t, Ed25519, 1).(*memorySigner))
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "{}", "[]", "null", "7", string(text) + "{}", string(text) + "x", string(text[:len(text)-1]),
		strings.Replace(string(text), "{", "{\"secret_key\":\"ab\",", 1), "{\"version\":1,\"secret\":123456789}"} {
		if _, _, err := parseDocument([]byte(bad)); !fault.Is(err, fault.Corrupt) || strings.Contains(err.Error(), "1234") {
			t.Errorf("%.40s: %v", bad, err)
		}
		path := filepath.Join(t.TempDir(), "key.json")
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path, nil); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%.40s: %v", bad, err)
		}
		if _, _, err := Inspect(path); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
}

// TestDocumentGolden keeps old files readable: it opens a file written by the first version.
func TestDocumentGolden(t *testing.T) {
	const path = "testdata/key-v1.json"
	if *update {
		d, err := sealedDocument(testSigner(t, Ed25519, 1).(*memorySigner), []byte("golden"), cheap(), bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openText([]byte(slurp(t, path)), []byte("golden"))
	if err != nil || s.Public() != testSigner(t, Ed25519, 1).Public() {
		t.Error("an old key file does not open:", err)
	}
}
