// SPDX-License-Identifier: Apache-2.0

package notice

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the text
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a notice.
const (
	TemplateBytesMax = 64 << 10
	TextBytesMax     = 64 << 10
	nameRunesMax     = 200
	idDigits         = 32
)

// Text is the template of a notice that a bank has no other for.
//
//go:embed notice.tmpl
var Text string

// Facts are what a notice is made of.
type Facts struct {
	Network  string
	Caller   string // as V10's guard names it
	Requests uint64
	LastSeen time.Time
	Classes  map[string]uint64 // requests by method and path
	End      time.Time         // V10 may be off from then on
	Address  string            // where callers are served from now on
	Earlier  time.Time         // when they had notice before; zero: never
}

// Notice is what one caller is told.
type Notice struct {
	ID       string    `json:"id"`      // the same as long as it is the same notice
	Network  string    `json:"network"` // whose V10 ends
	Caller   string    `json:"caller"`
	Requests uint64    `json:"requests"`
	LastSeen time.Time `json:"last_seen"`
	Classes  []Class   `json:"classes"` // most requests first
	End      time.Time `json:"end"`
	Address  string    `json:"address"`
	Repeated bool      `json:"repeated"` // they had one before
	Text     string    `json:"text"`
}

// Class is how often a caller asked for something.
type Class struct {
	Name     string `json:"name"`
	Requests uint64 `json:"requests"`
}

// ParseTemplate reads the text of notices: a Go template over a Notice. Invalid: it is none, or too long.
func ParseTemplate(text string) (*template.Template, error) {
	if len(text) > TemplateBytesMax {
		return nil, fault.New(fault.Invalid, "the notice's template has %d bytes, at most %d", len(text), TemplateBytesMax)
	}
	t, err := template.New("notice").Option("missingkey=error").Funcs(template.FuncMap{"day": day}).Parse(text)
	return t, fault.Wrap(fault.Invalid, err, "the notice's template")
}

// day writes a time as the day that it is in UTC.
func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// Render makes a notice. Invalid: the template does not fit, or makes too much of it.
func Render(t *template.Template, f *Facts) (*Notice, error) {
	n := &Notice{
		ID: f.id(), Network: plain(f.Network), Caller: plain(f.Caller), Requests: f.Requests, LastSeen: f.LastSeen.UTC(), Classes: classes(f.Classes), End: f.End.UTC(),
		Address: plain(f.Address), Repeated: !f.Earlier.IsZero(),
	}
	text := &bounded{}
	if err := t.Execute(text, n); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "make the notice for %s", n.Caller)
	}
	n.Text = strings.Map(textRune, strings.ToValidUTF8(text.String(), "\ufffd"))
	return n, nil
}

// id is that of the notice which comes after an earlier one. What a caller did meanwhile makes no other notice of it.
func (f *Facts) id() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "aurigraph/notice/1 %q %q %d", f.Network, f.Caller, max(f.Earlier.UnixMilli(), 0)))
	return hex.EncodeToString(sum[:])[:idDigits]
}

func classes(of map[string]uint64) []Class {
	all := []Class{}
	for name, n := range of {
		all = append(all, Class{plain(name), n})
	}
	slices.SortFunc(all, func(a, b Class) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// plain is a name on one line that shows what it is.
func plain(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > nameRunesMax {
		return string(runes[:nameRunesMax]) + "…"
	}
	return name
}

// textRune drops what a text does not need to be read.
func textRune(r rune) rune {
	if r == '\n' || r == '\t' || unicode.IsPrint(r) {
		return r
	}
	return -1
}

// bounded takes so much text and no more.
type bounded struct{ bytes.Buffer }

// Write fails when there is too much.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > TextBytesMax {
		return 0, fault.New(fault.Invalid, "it is longer than %d bytes", TextBytesMax)
	}
	return b.Buffer.Write(p)
}
