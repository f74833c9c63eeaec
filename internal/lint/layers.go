// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Layers is the content of layers.txt, which explains its words.
type Layers struct {
	rank   map[string]int // name -> layer, from 0
	tools  []string
	tests  []string
	pure   []string
	client []string
	gen    []string
	beside map[string][]string // folder of the root -> what it may import
	allow  map[[2]string]bool
	fences []fence
}

type fence struct {
	module string
	units  []string
}

// toolRank is above every layer.
const toolRank = 1 << 20

// ParseLayers reads layers.txt.
func ParseLayers(text string) (*Layers, error) {
	l := &Layers{rank: map[string]int{}, beside: map[string][]string{}, allow: map[[2]string]bool{}}
	layers := 0
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) < 2 {
			return nil, fmt.Errorf("layers.txt:%d: %q names nothing", i+1, words[0])
		}
		if words[0] == "layer" {
			for _, name := range words[1:] {
				l.rank[name] = layers
			}
			layers++
			continue
		}
		if err := l.addLine(words[0], words[1:]); err != nil {
			return nil, fmt.Errorf("layers.txt:%d: %w", i+1, err)
		}
	}
	return l, nil
}

func (l *Layers) addLine(word string, names []string) error {
	switch word {
	case "tools":
		l.tools = append(l.tools, names...)
		for _, name := range names {
			l.rank[name] = toolRank
		}
	case "tests":
		l.tests = append(l.tests, names...)
	case "pure":
		l.pure = append(l.pure, names...)
	case "client":
		l.client = append(l.client, names...)
	case "gen":
		l.gen = append(l.gen, names...)
	case "beside":
		l.beside[names[0]] = append(l.beside[names[0]], names[1:]...)
	case "allow":
		if len(names) != 2 {
			return fmt.Errorf("allow takes two names")
		}
		l.allow[[2]string{names[0], names[1]}] = true
	case "fence":
		l.fences = append(l.fences, fence{names[0], names[1:]})
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// IsPure reports whether a unit may hold no clock, I/O, randomness, logger or goroutine. Packages for tests below a pure one may.
func (l *Layers) IsPure(unit string) bool { return withinAny(unit, l.pure) && !l.isTest(unit) }

// isTest reports whether only tests may import a unit.
func (l *Layers) isTest(unit string) bool {
	for part := range strings.SplitSeq(unit, "/") {
		if strings.HasSuffix(part, "test") {
			return true
		}
	}
	return withinAny(unit, l.tests)
}

func withinAny(unit string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return Within(unit, name) })
}

// impureImports are what pure packages do without.
var impureImports = []string{
	"os", "os/exec", "io/ioutil", "net", "net/http", "time", "math/rand", "math/rand/v2", "crypto/rand", "log", "log/slog",
}

// CheckLayers applies layers.txt to every import of every file that is not a test.
func CheckLayers(t *Tree, l *Layers) []Finding {
	var found []Finding
	unlisted := map[string]bool{}
	for _, f := range t.Files {
		unit := Unit(f.Dir)
		if unit == "" || f.Test {
			continue
		}
		if strings.HasPrefix(f.Dir, "internal/") && !l.listed(unit) && !unlisted[unit] {
			unlisted[unit] = true
			found = append(found, Finding{f.Dir, "package is in no layer: add it to layers.txt"})
		}
		for _, spec := range f.AST.Imports {
			imported := strings.Trim(spec.Path.Value, "`\"")
			if what := l.forbids(unit, imported); what != "" {
				found = append(found, Finding{f.At(spec), fmt.Sprintf("import of %s: %s", imported, what)})
			}
		}
	}
	return found
}

func (l *Layers) listed(unit string) bool {
	if l.isTest(unit) {
		return true
	}
	top, _, _ := strings.Cut(unit, "/")
	_, ok := l.rank[top]
	return ok
}

// forbids says why unit may not import a path, or nothing.
func (l *Layers) forbids(unit, imported string) string {
	if l.IsPure(unit) && slices.Contains(impureImports, imported) {
		return "pure packages have no clock, I/O, randomness or logger; pass the value in"
	}
	for _, fence := range l.fences {
		if Within(imported, fence.module) && !withinAny(unit, fence.units) && !l.isTest(unit) {
			return fmt.Sprintf("only %s may import it", strings.Join(fence.units, ", "))
		}
	}
	own, ok := strings.CutPrefix(imported, Module+"/")
	if !ok {
		return ""
	}
	return l.forbidsOwn(unit, Unit(own))
}

func (l *Layers) forbidsOwn(unit, to string) string {
	switch {
	case to == "" || l.allow[[2]string{unit, to}] || l.isTest(unit):
		return ""
	case l.isTest(to):
		return "only test files may import it"
	case to == "cmd":
		return "nobody imports cmd"
	case to == "gen":
		return unless(unit == "gen" || withinAny(unit, l.gen), "generated code is for "+strings.Join(l.gen, ", "))
	case unit == "gen":
		return "generated code imports generated code only"
	case unit == "cmd":
		return ""
	case unit == "client":
		return unless(to == "client" || withinAny(to, l.client), "the SDK may import "+strings.Join(l.client, ", ")+" only")
	case l.besideOf(unit) != "" || l.besideOf(to) != "":
		return l.forbidsBeside(unit, to)
	case to == "client":
		return unless(l.rankOf(unit) == toolRank, "only cmd and tools may import the SDK")
	case withinAny(to, l.tools):
		return "only cmd may import tools"
	default:
		return l.forbidsLayer(unit, to)
	}
}

// besideOf is the folder beside the product that a unit lies in, "" if none.
func (l *Layers) besideOf(unit string) string {
	top, _, _ := strings.Cut(unit, "/")
	if _, ok := l.beside[top]; ok {
		return top
	}
	return ""
}

// forbidsBeside keeps what stands beside the product to itself. Inside it Go's own rule does: no cycles.
func (l *Layers) forbidsBeside(unit, to string) string {
	own := l.besideOf(unit)
	switch {
	case own == "":
		return l.besideOf(to) + " stands beside the product: only cmd may import it"
	case l.besideOf(to) == own || withinAny(to, l.beside[own]):
		return ""
	}
	return own + " stands beside the product and may import " + strings.Join(l.beside[own], ", ") + " only"
}

func (l *Layers) forbidsLayer(unit, to string) string {
	if to == unit || to == path.Dir(unit) {
		return ""
	}
	topUnit, _, _ := strings.Cut(unit, "/")
	topTo, _, _ := strings.Cut(to, "/")
	if topUnit == topTo {
		return "a package imports its parent folder, not its siblings or children: let node bring them together"
	}
	if l.rankOf(topTo) < l.rankOf(topUnit) {
		return ""
	}
	return fmt.Sprintf("%s is not in a layer below %s; declare the interface you need and let node connect them", topTo, topUnit)
}

// rankOf gives the layer of a unit's top folder; an unlisted one, reported elsewhere, is above all layers.
func (l *Layers) rankOf(unit string) int {
	top, _, _ := strings.Cut(unit, "/")
	if rank, ok := l.rank[top]; ok {
		return rank
	}
	return toolRank - 1
}

func unless(ok bool, what string) string {
	if ok {
		return ""
	}
	return what
}
