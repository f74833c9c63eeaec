// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// keyFileBytesMax bounds a key file. The largest, ML-DSA-65's, has 4.4 KB.
const keyFileBytesMax = 16 << 10

// WriteFile writes the secret of a Signer that this package made to a new file of mode 0600, durable when it returns.
// The secret is encrypted under the passphrase (Argon2id, XChaCha20-Poly1305); a nil passphrase writes it unencrypted,
// for demo networks only. Conflict: the file exists, and is left alone. Invalid: an empty passphrase, or a Signer whose
// secret is elsewhere. Takes 0.1-0.3 s and 64 MiB for a moment if encrypted.
func WriteFile(path string, s Signer, passphrase []byte) error {
	return writeFile(path, s, passphrase, defaultKDF())
}

func writeFile(path string, s Signer, passphrase []byte, cost kdf) error {
	m, ok := s.(*memorySigner)
	if !ok {
		return fault.New(fault.Invalid, "this signer's secret is not held by this program and cannot be written to a file")
	}
	if passphrase != nil && len(passphrase) == 0 {
		return fault.New(fault.Invalid, "the passphrase is empty: give one, or ask for an unencrypted file")
	}
	d := plainDocument(m)
	if passphrase != nil {
		var err error
		if d, err = sealedDocument(m, passphrase, cost, rand.Reader); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "write key file")
	}
	defer clear(text)
	return create(path, text)
}

// create writes a file that did not exist. What it cannot finish it takes away again, because it is not a key.
func create(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "%s exists: key files are never overwritten, choose another path or move it away", path)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "create key file")
	}
	_, errWrite := f.Write(text)
	// The process's umask may have taken away the owner's own rights.
	err = errors.Join(errWrite, f.Chmod(0o600), f.Sync(), f.Close())
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return fault.Wrap(fault.Unavailable, err, "write key file")
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// ReadFile returns the Signer of a key file. The passphrase must be nil exactly if the file is unencrypted. NotFound: no
// such file. Denied: others than the owner may access the file, or the passphrase is wrong, missing or not expected.
// Corrupt: the file is damaged, or asks for more than 256 MiB or 16 passes to decrypt.
func ReadFile(path string, passphrase []byte) (Signer, error) {
	text, err := readText(path, keyFileBytesMax)
	defer clear(text)
	if err != nil {
		return nil, err
	}
	d, p, err := parseDocument(text)
	if err != nil {
		return nil, at(path, err)
	}
	s, err := d.open(p, passphrase)
	if err != nil {
		return nil, at(path, err)
	}
	return s, nil
}

// at names the file, and keeps the error's kind and reason.
func at(path string, err error) error { return fmt.Errorf("%s: %w", path, err) }

// Inspect returns a key file's public key, and whether a passphrase is needed to open it. The file's word for it: an
// edited header is noticed only by ReadFile. Errors as of ReadFile.
func Inspect(path string) (p Public, encrypted bool, err error) {
	text, err := readText(path, keyFileBytesMax)
	defer clear(text)
	if err != nil {
		return Public{}, false, err
	}
	d, p, err := parseDocument(text)
	if err != nil {
		return Public{}, false, at(path, err)
	}
	return p, d.Encryption != encryptionNone, nil
}

// readText returns the bytes of a regular file that only its owner may access, at most so many.
func readText(path string, most int) ([]byte, error) {
	// Without O_NONBLOCK, opening a pipe would wait for its writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fault.Wrap(openKind(err), err, "open key file")
	}
	defer f.Close()
	if err := checkFile(f, path); err != nil {
		return nil, err
	}
	// One buffer, so that no copy of a secret stays behind in a smaller one.
	text := make([]byte, most+1)
	n, err := io.ReadFull(f, text)
	switch {
	case err == nil:
		return nil, at(path, corrupt("is larger than %d bytes", most))
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return text[:n], nil
	}
	return nil, fault.Wrap(fault.Unavailable, err, "read key file")
}

func openKind(err error) fault.Kind {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		return fault.Denied
	}
	return fault.Unavailable
}

func checkFile(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read key file")
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Invalid, "%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fault.Reasoned(fault.Denied, "key_file_open", "%s has mode %04o, so others may access it: run chmod 600 %s, and make a new key if it was ever readable by others", path, mode, path)
	}
	return nil
}
