// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// profile writes a CPU profile from the first toggle to the second, if it was asked for.
type profile struct {
	path string // empty: not asked for
	file *os.File
	done bool
}

func newProfile(s *setup) *profile {
	if s.Config.Profiles == "" {
		return &profile{}
	}
	return &profile{path: filepath.Join(s.Config.Profiles, fmt.Sprintf("node%d.pprof", s.Self))}
}

func (p *profile) toggle() (err error) {
	if p.path == "" || p.done {
		return nil
	}
	if p.file != nil {
		return p.stop()
	}
	if p.file, err = os.Create(p.path); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write a profile")
	}
	return fault.Wrap(fault.Internal, pprof.StartCPUProfile(p.file), "begin a profile")
}

func (p *profile) stop() error {
	if p.file == nil || p.done {
		return nil
	}
	p.done = true
	pprof.StopCPUProfile()
	return fault.Wrap(fault.Unavailable, p.file.Close(), "write a profile")
}
