// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"bytes"
	_ "embed" // the settings' text and the Lua
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Names in the folder.
const (
	ConfFile  = "nginx.conf"
	luaFile   = "router.lua"
	stateName = "state"
	tmpName   = "tmp"
)

var (
	//go:embed nginx.conf.tmpl
	confText string
	//go:embed router.lua
	luaText []byte

	confTemplate = template.Must(template.New(ConfFile).Parse(confText))
)

// settings is what the template sees.
type settings struct {
	Config
	Rules       []rule
	StreamPaths []string // regular expressions of paths whose request has no end in sight
	Reserved    []string
	IDHeader    string
	BodyBytes   int
	MapBytes    int
	Upstreams   map[string]Upstream // by the side's name
	Ways        []way
	Large       string // bodies of answers
	Unsent      string
	Unknown     string
	RetryAfterS int
	SlotNone    int

	ShadowHost  string // with the socket's path behind unix:
	ShadowPort  string // empty for a socket
	ShadowShare string
	Names       struct{ Path, Method, URI, Way string } // of what the shadow is told
	Copied      []copied
}

// copied is a header that travels with a read to the shadow, and the variable that nginx has it in.
type copied struct{ Name, Variable string }

// rule is a router.Rule as nginx reads it.
type rule struct{ Pattern, Word string }

// way is a named location: how a request goes on.
type way struct {
	Name   string
	Side   string
	Secure *Upstream // nil: in the clear
	Again  bool
	Stream bool
}

// Conf is the text of nginx.conf. Invalid: the settings are wrong.
func Conf(c Config) ([]byte, error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	problem := func(kind fault.Kind, reason, text string) string {
		return string(v10.ProblemOf(fault.Reasoned(kind, reason, "%s", text)).Append(nil, v10.FamilyPlain))
	}
	c.Listen = slices.Clone(c.Listen)
	for i, a := range c.Listen {
		if strings.HasPrefix(a, ":") {
			c.Listen[i] = "*" + a
		}
	}
	s := settings{
		Config: c, Reserved: router.Reserved(), IDHeader: router.RequestIDHeader, BodyBytes: v10.BatchBytesMax, MapBytes: router.TextBytesMax, Ways: ways(&c),
		Upstreams:   map[string]Upstream{router.V10.String(): c.V10, router.V11.String(): c.V11},
		Large:       problem(fault.Invalid, v10.ReasonTooLarge, ""),
		Unsent:      problem(fault.TryLater, "", router.TextUnsent),
		Unknown:     problem(fault.Timeout, "", ""),
		RetryAfterS: v10.RetryAfterS,
		SlotNone:    chain.SlotNone,
	}
	s.setShadow()
	for _, r := range router.Rules() {
		s.Rules = append(s.Rules, rule{pattern(&r), word(&r)})
		if r.Stream && r.Method != "GET" {
			s.StreamPaths = append(s.StreamPaths, "^"+path(r.Path)+"/?$")
		}
	}
	var out bytes.Buffer
	err := confTemplate.Execute(&out, &s)
	return out.Bytes(), fault.Wrap(fault.Internal, err, "write nginx's settings")
}

func (s *settings) setShadow() {
	if s.ShadowHost = s.Shadow; !strings.HasPrefix(s.Shadow, socketPrefix) {
		host, port, _ := net.SplitHostPort(s.Shadow) // checked before
		if s.ShadowHost, s.ShadowPort = host, port; strings.Contains(host, ":") {
			s.ShadowHost = "[" + host + "]"
		}
	}
	s.ShadowShare = fmt.Sprintf("%d.%02d%%", s.ShadowBP/100, s.ShadowBP%100)
	s.Names.Path, s.Names.Method, s.Names.URI, s.Names.Way = router.MirrorPath, router.OriginalMethodHeader, router.OriginalURIHeader, router.OriginalWayHeader
	for _, name := range append([]string{"Accept"}, router.Credentials()...) {
		s.Copied = append(s.Copied, copied{name, "http_" + strings.ReplaceAll(strings.ToLower(name), "-", "_")})
	}
}

// The classes of requests, as Lua knows them. What is in none is once.
const (
	classOnce   = "once"
	classAgain  = "again"
	classStream = "stream"
)

func ways(c *Config) []way {
	var out []way
	for _, u := range []struct {
		side router.Side
		up   *Upstream
	}{{router.V10, &c.V10}, {router.V11, &c.V11}} {
		for _, class := range []string{classOnce, classAgain, classStream} {
			if class == classAgain && u.side == router.V10 {
				continue // V10 knows nothing by our id
			}
			w := way{Name: u.side.String() + "_" + class, Side: u.side.String(), Stream: class == classStream, Again: class == classAgain}
			if u.up.CA != "" {
				w.Secure = u.up
			}
			out = append(out, w)
		}
	}
	return out
}

var param = regexp.MustCompile(`\\\{(\w+)\\\}`)

// path is a path of the table as a regular expression without anchors.
func path(text string) string { return param.ReplaceAllString(regexp.QuoteMeta(text), `[^/?]+`) }

// pattern matches the method and the target of a rule's requests. The account in a path is captured.
func pattern(r *router.Rule) string {
	method, p := r.Method, path(r.Path)
	if method == "GET" {
		method = "(?:GET|HEAD)"
	}
	if r.InPath {
		p = strings.Replace(p, `[^/?]+`, `(?<route_account>[^/?]+)`, 1)
	}
	return "~*^" + method + " " + p + `/?(?:\?|$)`
}

// word says how a rule's requests are sent and where their account is.
func word(r *router.Rule) string {
	class, place := classOnce, r.Member
	switch {
	case r.Again:
		class = classAgain
	case r.Stream:
		class = classStream
	}
	switch {
	case r.InPath:
		place = "/"
	case place == "":
		place = "-"
	}
	return class + " " + place
}

// Write writes the settings and the Lua into c.Dir and makes the folders that nginx needs there. Who runs the workers must own state and tmp.
func Write(c Config) error {
	text, err := Conf(c)
	if err != nil {
		return err
	}
	for _, name := range []string{stateName, tmpName} {
		if err := os.MkdirAll(filepath.Join(c.Dir, name), 0o755); err != nil {
			return fault.Wrap(fault.Unavailable, err, "make nginx's folders")
		}
	}
	for name, content := range map[string][]byte{ConfFile: text, luaFile: luaText} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), content, 0o644); err != nil {
			return fault.Wrap(fault.Unavailable, err, "write nginx's settings")
		}
	}
	return nil
}
