// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"os"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// passphraseBytesMax bounds a passphrase file.
const passphraseBytesMax = 4096

// ValidatorKey reads the key with which the validator in a node's folder signs headers and approves changes.
func ValidatorKey(dir string) (keys.Signer, error) {
	cfg, err := config.Load(dir)
	if err != nil {
		return nil, err
	}
	var passphrase []byte
	if cfg.Keys.Passphrase != "" {
		text, err := os.ReadFile(cfg.Path(cfg.Keys.Passphrase))
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "read the passphrase")
		}
		if len(text) > passphraseBytesMax {
			return nil, fault.New(fault.Invalid, "the passphrase file is longer than %d bytes", passphraseBytesMax)
		}
		defer clear(text)
		passphrase = bytes.TrimRight(text, "\r\n")
	}
	return keys.ReadFile(cfg.Path(cfg.Keys.Validator), passphrase)
}
