// SPDX-License-Identifier: Apache-2.0

package network

import (
	"io"
	"os"
	"strings"
)

// Bounds of what is shown of a log.
const (
	tailLines    = 5
	tailBytesMax = 4096
)

// tail is what a process adds to a log file. The file itself is what the process writes to, not a pipe: a log must not end
// with the process that started it.
type tail struct {
	path string // empty: the log is no file
	from int64
}

// openTail notes the end of a log.
func openTail(logs io.Writer) tail {
	f, ok := logs.(*os.File)
	if !ok {
		return tail{}
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return tail{}
	}
	return tail{path: f.Name(), from: info.Size()}
}

// lines are the last lines added to the log, each after a line end; nothing if there are none to be had.
func (l tail) lines() string {
	if l.path == "" {
		return ""
	}
	f, err := os.Open(l.path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	text := make([]byte, min(max(info.Size()-l.from, 0), tailBytesMax))
	n, _ := f.ReadAt(text, info.Size()-int64(len(text))) // what could be read is shown
	list := strings.Split(strings.TrimSpace(string(text[:n])), "\n")
	if list[0] == "" {
		return ""
	}
	return "; its log ends with\n" + strings.Join(list[max(0, len(list)-tailLines):], "\n")
}
