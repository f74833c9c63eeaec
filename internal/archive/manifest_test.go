// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func sound() *Manifest {
	return &Manifest{
		Version: manifestVersion, Bytes: 12,
		Files: []File{
			{Name: "files/a", Bytes: 4, Parts: []int{1}},
			{Name: "v10/a/b", Bytes: 8, Parts: []int{0, 1}},
			{Name: "v10/empty", Parts: []int{}},
		},
		Objects: []Part{{Digest: Digest{1}, Bytes: 4}, {Digest: Digest{2}, Bytes: 4}},
	}
}

// TestManifestCheck has contradictions that a signer could have made.
func TestManifestCheck(t *testing.T) {
	if err := sound().check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Manifest){
		"sum":               func(m *Manifest) { m.Bytes++ },
		"size of a file":    func(m *Manifest) { m.Files[1].Bytes++ },
		"no such part":      func(m *Manifest) { m.Files[0].Parts[0] = 2 },
		"negative part":     func(m *Manifest) { m.Files[0].Parts[0] = -1 },
		"empty object":      func(m *Manifest) { m.Objects[0].Bytes = 0 },
		"object too large":  func(m *Manifest) { m.Objects[0].Bytes = ObjectBytesMax + 1 },
		"a name twice":      func(m *Manifest) { m.Files[2].Name = m.Files[1].Name },
		"another order":     func(m *Manifest) { m.Files[2].Name = "v10/a/a" },
		"a file as folder":  func(m *Manifest) { m.Files[1].Name, m.Files[2].Name = "v10/a", "v10/a/b" },
		"a step too long":   func(m *Manifest) { m.Files[1].Name = "v10/" + strings.Repeat("a", nameStepBytes+1) },
		"above the folder":  func(m *Manifest) { m.Files[2].Name = "v10/../../etc/passwd" },
		"absolute":          func(m *Manifest) { m.Files[0].Name = "/files/a" },
		"no folder":         func(m *Manifest) { m.Files[0].Name = "a" },
		"unclean":           func(m *Manifest) { m.Files[0].Name = "files//a" },
		"a folder's name":   func(m *Manifest) { m.Files[0].Name = "files/" },
		"another system's":  func(m *Manifest) { m.Files[0].Name = `files/..\a` },
		"a name's length":   func(m *Manifest) { m.Files[0].Name = "files/" + strings.Repeat("a", nameBytesMax) },
		"another version":   func(m *Manifest) { m.Version = 2 },
		"files, no objects": func(m *Manifest) { m.Objects = nil },
	} {
		m := sound()
		change(m)
		if err := m.check(); !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzManifest holds that no manifest that is taken leads out of the folder, or beyond its objects.
func FuzzManifest(f *testing.F) {
	text, err := json.Marshal(sound())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var m Manifest
		if json.Unmarshal(text, &m) != nil || m.check() != nil {
			return
		}
		for i := range m.Files {
			if !filepath.IsLocal(filepath.FromSlash(m.Files[i].Name)) {
				t.Errorf("%q", m.Files[i].Name)
			}
		}
		if len(m.users()) != len(m.Objects) {
			t.Error("users")
		}
	})
}
