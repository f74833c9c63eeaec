// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/testkit"
)

// docPath is the manual of the command line, made from the commands' own help.
const docPath = "../../docs/cli.md"

// flagLine matches a flag in a usage text: its name, and what it is for.
var flagLine = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)(?: \w+)? +(.*)$`)

// commands lists every command, parents first.
func commands() []*cobra.Command {
	var all []*cobra.Command
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(newRoot(&app{out: io.Discard, err: io.Discard, self: "aurigraph"}))
	return all
}

func TestHelp(t *testing.T) {
	for _, c := range commands() {
		words := strings.Fields(c.CommandPath())[1:]
		r := cli(t, append(words, "--help")...)
		if r.code != exitDone || r.err != "" {
			t.Errorf("%s --help: exit %d, %s", c.CommandPath(), r.code, r.err)
		}
		testkit.Golden(t, "help/"+strings.Join(strings.Fields(c.CommandPath()), "-")+".txt", []byte(r.out))
	}
}

// Every help says what the command is for, what it does, and shows at least two command lines that parse.
func TestHelpIsWhole(t *testing.T) {
	for _, c := range commands() {
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Long) < len(c.Short) {
			t.Errorf("%s: the purpose %q, the text %q", path, c.Short, c.Long)
		}
		if n := len(examples(c)); n < 2 {
			t.Errorf("%s has %d examples", path, n)
		}
		for _, words := range examples(c) {
			checkParses(t, words)
		}
		for _, f := range flagLine.FindAllStringSubmatch(c.LocalFlags().FlagUsages(), -1) {
			if f[2] == "" || strings.HasSuffix(f[2], ".") {
				t.Errorf("%s --%s: usage %q", path, f[1], f[2])
			}
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len([]rune(line)) > 131 {
				t.Errorf("%s: a line of %d characters: %s", path, len([]rune(line)), line)
			}
		}
	}
}

// examples are a command's command lines of this program, as words.
func examples(c *cobra.Command) [][]string {
	var all [][]string
	for line := range strings.Lines(strings.ReplaceAll(c.Example, " \\\n   ", "")) { // a long one goes on in the next line
		line, _, _ = strings.Cut(strings.TrimSpace(line), "   ") // a remark
		line, _, _ = strings.Cut(line, " 2>>")
		line, _, _ = strings.Cut(line, " > ")
		if _, inner, ok := strings.Cut(line, "<("); ok {
			line = strings.TrimSuffix(inner, ")")
		}
		if line != "" {
			all = append(all, shellWords(line))
		}
	}
	return all
}

// shellWords splits a line with double quotes.
func shellWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

func checkParses(t *testing.T, words []string) {
	t.Helper()
	root := newRoot(&app{out: io.Discard, err: io.Discard})
	if words[0] != "aurigraph" {
		t.Errorf("%q is not of this program", words)
		return
	}
	c, rest, err := root.Find(words[1:])
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil && c.Args != nil {
		err = c.Args(c, c.Flags().Args())
	}
	if err == nil && !onlyGroups(c) {
		return
	}
	t.Errorf("%q: %v", words, err)
}

func TestManualIsFresh(t *testing.T) {
	text := manual()
	if testkit.Updating() {
		if err := os.WriteFile(docPath, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(docPath)
	if err != nil || !bytes.Equal(have, text) {
		t.Errorf("docs/cli.md is not what the commands' help says (%v): go test ./cmd/aurigraph -update", err)
	}
}

func manual() []byte {
	var b bytes.Buffer
	b.WriteString("# The command line\n\nMade from the program's own help by `go test ./cmd/aurigraph -update`; `aurigraph COMMAND --help` says the same.\n")
	all := commands()
	b.WriteString("\n| command | what for |\n|---|---|\n")
	for _, c := range all[1:] {
		if !onlyGroups(c) {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), c.Short)
		}
	}
	for _, c := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n```text\n%s\n```\n\n%s\n\n```sh\n%s\n```\n", c.CommandPath(), c.Short, useLine(c), markdown(c.Long), outdent(c.Example))
		if flags := c.NonInheritedFlags().FlagUsagesWrapped(0); flags != "" {
			fmt.Fprintf(&b, "\n```text\n%s```\n", flags)
		}
		if c.HasParent() && c.InheritedFlags().HasAvailableFlags() {
			var names []string
			for _, f := range flagLine.FindAllStringSubmatch(c.InheritedFlags().FlagUsages(), -1) {
				names = append(names, "`--"+f[1]+"`")
			}
			fmt.Fprintf(&b, "\nAlso: %s.\n", strings.Join(names, ", "))
		}
	}
	return b.Bytes()
}

func useLine(c *cobra.Command) string {
	if onlyGroups(c) {
		return c.CommandPath() + " COMMAND"
	}
	return c.UseLine()
}

// onlyGroups reports whether a command does nothing but hold others: it takes any word, to say that it has no such command.
func onlyGroups(c *cobra.Command) bool {
	return c.HasSubCommands() && c.Args(c, []string{"COMMAND"}) == nil
}

// markdown makes list items of indented lines.
func markdown(text string) string { return strings.ReplaceAll(text, "\n  ", "\n- ") }

func outdent(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}
