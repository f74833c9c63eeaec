// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"os"
	"testing"
)

// TestRepository applies every rule to the repository.
func TestRepository(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, err := Root(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := ParseLayers(read(t, "layers.txt"))
	if err != nil {
		t.Fatal(err)
	}
	long, err := ParseLongFunctions(read(t, "long_functions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []struct {
		name  string
		found []Finding
	}{
		{"layers", CheckLayers(tree, layers)},
		{"calls", CheckCalls(tree, layers)},
		{"headers", CheckHeaders(tree)},
		{"docs", CheckDocs(tree)},
		{"length", CheckLength(tree, long)},
		{"todo", CheckTodos(tree)},
		{"gofmt", CheckFormat(tree)},
		{"markdown", CheckMarkdown(tree)},
	} {
		t.Run(rule.name, func(t *testing.T) {
			for _, f := range rule.found {
				t.Error(f)
			}
		})
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
