// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

// MapFile is the name of the file that keeps the map.
const MapFile = "router.map"

// readMap reads the map that was in force; without a file it is the empty one. A file that cannot be read is none either, and the error
// says why: all goes to V10 until the map is set again, which costs time and no money.
func readMap(dir string) (router.Map, error) {
	text, err := os.ReadFile(filepath.Join(dir, MapFile))
	if errors.Is(err, fs.ErrNotExist) {
		return router.Map{}, nil
	}
	if err != nil {
		return router.Map{}, fault.Wrap(fault.Unavailable, err, "read the router's map")
	}
	return router.Parse(text)
}

func writeMap(dir string, m *router.Map) error {
	path := filepath.Join(dir, MapFile)
	err := os.WriteFile(path+".new", m.Text(), 0o644)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return fault.Wrap(fault.Unavailable, err, "keep the router's map: look at the disk of %s", dir)
}
