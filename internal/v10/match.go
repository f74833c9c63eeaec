// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of paths.
const (
	ParamsMax    = 2    // {names} in one path
	PathBytesMax = 2048 // two names of NameBytesMax, escaped, and the fixed part
)

var (
	errNoEndpoint = fault.Reasoned(fault.NotFound, "no_endpoint", TextNoEndpoint)
	errBadEscape  = fault.Reasoned(fault.Invalid, "bad_escape", "the path holds a %% that is not followed by two hex digits")
)

// Params are the values of a matched path, unescaped. They are valid as long as the path.
type Params struct {
	names  []string
	values [ParamsMax]string
}

// Get returns the value of a {name} of the path, "" if it has no such name.
func (p *Params) Get(name string) string {
	for i, n := range p.names {
		if n == name {
			return p.values[i]
		}
	}
	return ""
}

// Match finds the row of a request. path is as it stood in the request line, still escaped, without the query. Fixed segments
// match in either case and one slash at the end is ignored, as Express does it; a {name} takes one segment that is not
// empty. HEAD is GET.
//
// NotFound: no such path, no such method on it (V10 answers both alike), or more than PathBytesMax bytes. Invalid: a value
// is not escaped properly. Nothing is allocated unless a value holds an escape.
func Match(method, path string) (*Endpoint, Params, error) {
	var p Params
	if method == "HEAD" {
		method = "GET"
	}
	if len(path) == 0 || len(path) > PathBytesMax || path[0] != '/' {
		return nil, p, errNoEndpoint
	}
	rest := path[1:]
	if n := len(rest); n > 0 && rest[n-1] == '/' {
		rest = rest[:n-1]
	}
	e := routes.find(method, rest, 0, &p)
	if e == nil {
		return nil, Params{}, errNoEndpoint
	}
	p.names = e.params
	for i := range e.params {
		if strings.IndexByte(p.values[i], '%') < 0 {
			continue
		}
		plain, ok := UnescapeSegment(p.values[i])
		if !ok {
			return nil, Params{}, errBadEscape
		}
		p.values[i] = plain
	}
	return e, p, nil
}

// route is a place in the tree of paths.
type route struct {
	children []child
	param    *route // the child for a {name}
	rows     []*Endpoint
}

type child struct {
	segment string // lower case
	route   *route
}

// find walks the segments of rest below r. A fixed segment goes before a {name}; if nothing below it has the method, the
// {name} gets its turn, as with Express. The depth is that of the table.
func (r *route) find(method, rest string, params int, p *Params) *Endpoint {
	segment, below := rest, ""
	slash := strings.IndexByte(rest, '/')
	if slash >= 0 {
		segment, below = rest[:slash], rest[slash+1:]
	}
	for i := range r.children {
		c := &r.children[i]
		if len(c.segment) != len(segment) || !equalFold(c.segment, segment) {
			continue
		}
		if e := c.route.end(method, below, slash < 0, params, p); e != nil {
			return e
		}
		break
	}
	if r.param == nil || segment == "" || params == ParamsMax {
		return nil
	}
	p.values[params] = segment
	return r.param.end(method, below, slash < 0, params+1, p)
}

func (r *route) end(method, below string, last bool, params int, p *Params) *Endpoint {
	if !last {
		return r.find(method, below, params, p)
	}
	for _, e := range r.rows {
		if e.Method == method {
			return e
		}
	}
	return nil
}

// equalFold compares a lower-case ASCII word with bytes of the same length in either case.
func equalFold(lower, s string) bool {
	for i := range len(lower) {
		b := s[i]
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

// buildRoutes makes the tree, and gives each row the names of its path.
func buildRoutes(rows []Endpoint) *route {
	root := &route{}
	for i := range rows {
		e := &rows[i]
		at := root
		for segment := range strings.SplitSeq(strings.TrimPrefix(e.Path, "/"), "/") {
			if name, ok := strings.CutPrefix(segment, "{"); ok {
				e.params = append(e.params, strings.TrimSuffix(name, "}"))
				at = at.below("")
				continue
			}
			at = at.below(strings.ToLower(segment))
		}
		fault.Invariant(len(e.params) <= ParamsMax, "%s has too many names", e.Path)
		for _, other := range at.rows {
			fault.Invariant(other.Method != e.Method, "%s %s stands in the table twice", e.Method, e.Path)
		}
		at.rows = append(at.rows, e)
	}
	return root
}

// below returns the child for a fixed segment, or for a {name} if segment is empty.
func (r *route) below(segment string) *route {
	if segment == "" {
		if r.param == nil {
			r.param = &route{}
		}
		return r.param
	}
	for _, c := range r.children {
		if c.segment == segment {
			return c.route
		}
	}
	c := child{segment, &route{}}
	r.children = append(r.children, c)
	return c.route
}

const upperHex = "0123456789ABCDEF"

// EscapeSegment writes a value as one segment of a path, as encodeURIComponent does.
func EscapeSegment(s string) string {
	var out strings.Builder
	for i := range len(s) {
		b := s[i]
		if unreserved(b) {
			out.WriteByte(b)
			continue
		}
		out.WriteByte('%')
		out.WriteByte(upperHex[b>>4])
		out.WriteByte(upperHex[b&15])
	}
	return out.String()
}

func unreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("-_.!~*'()", b) >= 0
}

// UnescapeSegment reads the %XX of a segment, and false if one is malformed. A + stays a +: this is no form.
func UnescapeSegment(s string) (string, bool) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if len(s) < i+3 {
			return "", false
		}
		hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	return string(out), true
}

// hexValue is the value of a hex digit in either case, or -1.
func hexValue(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b && b <= 'f':
		return int(b-'a') + 10
	case 'A' <= b && b <= 'F':
		return int(b-'A') + 10
	default:
		return -1
	}
}
