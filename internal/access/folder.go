// SPDX-License-Identifier: Apache-2.0

package access

import (
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Names in the folder of who may call, which "aurigraph apikey" writes and servers read.
const (
	KeysFile     = "keys.json"
	UsersFile    = "users.json"
	TokenKeyFile = "token.key"
)

// InFolder names the files of a folder of who may call, which is made if it is missing.
func InFolder(dir string) (Config, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Config{}, fault.Wrap(fault.Unavailable, err, "make the folder of API keys")
	}
	return Config{Keys: filepath.Join(dir, KeysFile), Users: filepath.Join(dir, UsersFile), TokenKey: filepath.Join(dir, TokenKeyFile)}, nil
}
