// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func sealed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"a": "alpha", "empty": "", "sub/b c": strings.Repeat("beta", 500)} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		write(t, path, content)
	}
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
}

func TestSealAndRemove(t *testing.T) {
	dir := sealed(t)
	var done, total int64
	report, err := Check(dir, func(d, n int64) { done, total = d, n })
	if err != nil || report != (Report{Sealed: true, Files: 3, Bytes: 2005}) || done != 2005 || total != 2005 {
		t.Fatalf("%+v %v, progress %d of %d", report, err, done, total)
	}
	if err := Write(dir); err != nil {
		t.Fatal("seal again:", err)
	}
	if _, err := Check(dir, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Remove(dir); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := Check(dir, nil); err != nil || report.Sealed {
		t.Fatalf("no seal must check nothing: %+v %v", report, err)
	}
}

// TestEveryByte flips each bit of every byte of every file, the seal's own included.
func TestEveryByte(t *testing.T) {
	dir := sealed(t)
	for _, name := range []string{"a", "sub/b c", Name} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step := 1
		if len(whole) > 1000 {
			step = 97
		}
		for i := 0; i < len(whole); i += step {
			for bit := range 8 {
				broken := append([]byte(nil), whole...)
				broken[i] ^= 1 << bit
				write(t, path, string(broken))
				if _, err := Check(dir, nil); !fault.Is(err, fault.Corrupt) {
					t.Fatalf("%s: bit %d of byte %d flipped, and Check says %v", name, bit, i, err)
				}
			}
		}
		write(t, path, string(whole))
	}
}

func TestChangedFolder(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"missing": func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "empty"))) },
		"last":    func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "sub/b c"))) },
		"added":   func(t *testing.T, dir string) { write(t, filepath.Join(dir, "0"), "") },
		"end":     func(t *testing.T, dir string) { write(t, filepath.Join(dir, "zz"), "") },
		"grown":   func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a"), "alphaa") },
		"cut":     func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, Name), 40)) },
		"emptied": func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, Name), 0)) },
		"longer": func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, Name))
			must(t, err)
			write(t, filepath.Join(dir, Name), string(data)+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := sealed(t)
			change(t, dir)
			if _, err := Check(dir, nil); !fault.Is(err, fault.Corrupt) {
				t.Fatal(err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("/nowhere", filepath.Join(dir, "link")))
	if err := Write(dir); !fault.Is(err, fault.Invalid) {
		t.Fatal("a link was sealed:", err)
	}
	if err := Write(filepath.Join(dir, "none")); !fault.Is(err, fault.Unavailable) {
		t.Fatal("a missing folder was sealed:", err)
	}
	must(t, os.Mkdir(filepath.Join(dir, Name), 0o750))
	write(t, filepath.Join(dir, Name, "x"), "")
	if _, err := Check(dir, nil); !fault.Is(err, fault.Unavailable) {
		t.Fatal("a folder is no seal:", err)
	}
	if err := Remove(dir); !fault.Is(err, fault.Unavailable) {
		t.Fatal("a folder was removed:", err)
	}
}

// TestInterrupted leaves the temporary file that a crash during Write leaves.
func TestInterrupted(t *testing.T) {
	dir := sealed(t)
	must(t, os.Rename(filepath.Join(dir, Name), filepath.Join(dir, tempName)))
	if report, err := Check(dir, nil); err != nil || report.Sealed {
		t.Fatal(report, err)
	}
	must(t, Remove(dir))
	if _, err := os.Stat(filepath.Join(dir, tempName)); !os.IsNotExist(err) {
		t.Fatal("the temporary file stayed", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(render(nil))
	f.Add(render([]entry{{path: "a b", size: 7}, {path: "c"}}))
	f.Add([]byte(headLine))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parse(data)
		if err == nil && string(render(entries)) != string(data) {
			t.Fatal("two forms of one seal")
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
