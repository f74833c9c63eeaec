// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/config"
)

// InUse reports whether a process works in a node's folder.
func InUse(cfg *config.Node) bool {
	f, err := os.Open(filepath.Join(cfg.Data(""), "LOCK"))
	if err != nil {
		return false
	}
	defer f.Close() // which also gives the lock back
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}
