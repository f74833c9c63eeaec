// SPDX-License-Identifier: Apache-2.0

package contracttest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// pathOf is a path of a row with something in its names.
func pathOf(e *v10.Endpoint) string {
	parts := strings.Split(e.Path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			parts[i] = "x"
		}
	}
	return strings.Join(parts, "/")
}

// notImplemented asks for every row whose engine is missing.
func (p *player) notImplemented(ctx context.Context) (problems []string) {
	rows := v10.Endpoints()
	for i := range rows {
		e := &rows[i]
		if e.Status != v10.NotImplemented {
			continue
		}
		want := fmt.Sprintf(`{"error":"<text>","missing":%q}`, e.Missing)
		if e.Errors == v10.FamilySuccess {
			want = fmt.Sprintf(`{"success":false,"error":"<text>","missing":%q}`, e.Missing)
		}
		x := exchange{method: e.Method, target: pathOf(e), status: 501, want: want, wantHeaders: jsonHeaders}
		if _, problem := p.once(ctx, x, map[string]string{}); problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

var jsonHeaders = []header{
	{"Content-Type", "application/json; charset=utf-8"}, {"Access-Control-Allow-Origin", "*"}, {"X-Powered-By", "<none>"},
}

// everyPath asks for what holds on every path of the table: OPTIONS is answered, and a method that has no row is as unknown as a
// path that has none.
func (p *player) everyPath(ctx context.Context) (problems []string) {
	methods := map[string][]string{}
	rows := v10.Endpoints()
	for i := range rows {
		path := pathOf(&rows[i])
		methods[path] = append(methods[path], rows[i].Method)
	}
	for path := range methods {
		x := exchange{method: "OPTIONS", target: path, status: 204, want: "(empty)", wantHeaders: []header{
			{"Access-Control-Allow-Origin", "*"}, {"Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE"},
		}}
		if _, problem := p.once(ctx, x, map[string]string{}); problem != "" {
			problems = append(problems, problem)
		}
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			if _, _, err := v10.Match(method, path); err == nil {
				continue
			}
			x := exchange{method: method, target: path, status: 404, want: `={"error":"Endpoint not found"}`, wantHeaders: jsonHeaders}
			if _, problem := p.once(ctx, x, map[string]string{}); problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	return problems
}

// coverage fails for each served row, of the groups that the server has, on which nothing succeeded.
func (p *player) coverage() (problems []string) {
	rows := v10.Endpoints()
	for i := range rows {
		e := &rows[i]
		if e.Status != v10.Served || slices.Contains(p.world.Without, e.Group) {
			continue
		}
		if !p.covered[e] {
			problems = append(problems, fmt.Sprintf("%s %s is served and no exchange succeeded on it", e.Method, e.Path))
		}
	}
	return problems
}

// Covered lists "METHOD path" of the rows on which the files have an exchange that succeeds, sorted.
func Covered() ([]string, error) {
	all, err := scenarios()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, s := range all {
		for _, x := range s.exchanges {
			path, _, _ := strings.Cut(variable.ReplaceAllString(x.target, "x"), "?")
			e, _, err := v10.Match(x.method, path)
			if err != nil || (x.status != 200 && x.status != 101) {
				continue
			}
			found[e.Method+" "+e.Path] = true
		}
	}
	lines := make([]string, 0, len(found))
	for line := range found {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines, nil
}
