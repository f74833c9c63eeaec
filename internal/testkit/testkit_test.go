// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder takes the failures of the helper under test.
type recorder struct {
	testing.TB
	text string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.text += strings.TrimSpace(format)
	for _, a := range args {
		if s, ok := a.(string); ok {
			r.text += "|" + s
		}
	}
}

func TestGolden(t *testing.T) {
	t.Chdir(t.TempDir())
	old := *update
	defer func() { *update = old }()
	*update = true
	Golden(t, "sub/a.txt", []byte("one\ntwo\n"))
	if !Updating() {
		t.Error("Updating")
	}
	*update = false
	Golden(t, "sub/a.txt", []byte("one\ntwo\n"))
	for got, want := range map[string]string{"one\nTWO\n": "|TWO|two", "one": "|(end)|two", "one\ntwo\n\n": "|(end)"} {
		r := &recorder{TB: t}
		Golden(r, "sub/a.txt", []byte(got))
		if !strings.Contains(r.text, want) {
			t.Errorf("golden of %q says %q, must contain %q", got, r.text, want)
		}
	}
}

func TestDisk(t *testing.T) {
	t.Chdir(t.TempDir())
	var dir string
	t.Run("made", func(t *testing.T) {
		dir = DiskDir(t)
		path := filepath.Join(dir, "f")
		if err := os.WriteFile(path, []byte{1, 2}, 0o600); err != nil {
			t.Fatal(err)
		}
		Flip(t, path, 1, 3)
		if b, _ := os.ReadFile(path); string(b) != "\x01\x0a" {
			t.Fatalf("%x", b)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the folder stayed", err)
	}
}

func TestFreeAddress(t *testing.T) {
	l, err := net.Listen("tcp", FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
