// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// answer is what came back. Body is the JSON value that it means, in whatever form it came; kind says in which.
type answer struct {
	failure string // why there is none; the rest is empty
	status  int
	headers map[string]string // of comparedHeaders, those that are there
	kind    string
	body    any
}

// comparedHeaders are those that clients, browsers and proxies act on.
var comparedHeaders = []string{
	"Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Allow", "Cache-Control", "Content-Disposition",
	"Content-Encoding", "Content-Type", "ETag", "Location", "Retry-After", "Sec-WebSocket-Accept", "Upgrade", "WWW-Authenticate", "X-Powered-By",
}

// etagOfBody stands for an ETag that follows from the body as Express makes it: bodies differ, and their ETags with them.
const etagOfBody = "(as Express makes it of the body)"

func newAnswer(method string, status int, header http.Header, body []byte) *answer {
	a := &answer{status: status, headers: map[string]string{}}
	for _, name := range comparedHeaders {
		if values := header.Values(name); len(values) > 0 {
			a.headers[name] = strings.Join(values, ", ")
		}
	}
	// The ETag of a HEAD or a 304 is of a body that is not here.
	if tag := a.headers["ETag"]; tag != "" && (method == http.MethodHead || status == http.StatusNotModified || tag == string(v10.AppendETag(nil, body))) {
		a.headers["ETag"] = etagOfBody
	}
	a.kind, a.body = meaningOf(a.headers["Content-Type"], body)
	return a
}

// meaningOf reads a body by its content type. What does not read as that is text.
func meaningOf(content string, body []byte) (kind string, v any) {
	mime, params, _ := strings.Cut(content, ";")
	var err error
	switch text := string(body); {
	case text == "":
		return "empty", nil
	case mime == "application/json":
		kind = "json"
		v, err = parseJSON(text)
	case mime == "application/x-ndjson":
		kind = "lines of json"
		v, err = parseLines(strings.Split(strings.TrimSpace(text), "\n"))
	case mime == "text/event-stream":
		kind = "events"
		v, err = parseEvents(text)
	case mime == "text/csv":
		kind = "csv"
		v, err = parseCSV(text)
	case mime == "text/plain" && strings.Contains(params, "version=0.0.4"):
		kind = "metrics"
		v, err = parseMetrics(text)
	default:
		return "text", text
	}
	if err != nil {
		return "text", string(body)
	}
	return kind, v
}

func parseJSON(text string) (v any, err error) {
	in := json.NewDecoder(strings.NewReader(text))
	in.UseNumber()
	if err := in.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return v, nil
}

func parseLines(lines []string) (any, error) {
	all := make([]any, len(lines))
	for i, line := range lines {
		var err error
		if all[i], err = parseJSON(line); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// parseEvents takes the data of each event.
func parseEvents(text string) (any, error) {
	var lines []string
	for event := range strings.SplitSeq(text, "\n\n") {
		var data []string
		for line := range strings.SplitSeq(event, "\n") {
			if part, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(part, " "))
			}
		}
		if len(data) > 0 {
			lines = append(lines, strings.Join(data, "\n"))
		}
	}
	return parseLines(lines)
}

// parseCSV makes an object of each line but the first, which names the members.
func parseCSV(text string) (any, error) {
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) == 0 {
		return nil, errors.Join(err, errors.New("no line"))
	}
	all := make([]any, len(records)-1)
	for i, record := range records[1:] {
		one := map[string]any{}
		for column, value := range record {
			one[records[0][column]] = cell(value)
		}
		all[i] = one
	}
	return map[string]any{"columns": strings.Join(records[0], ","), "lines": all}, nil
}

// cell is a number where it reads as one.
func cell(text string) any {
	if v, err := parseJSON(text); err == nil {
		if n, ok := v.(json.Number); ok {
			return n
		}
	}
	return text
}

// parseMetrics reads Prometheus text: a member for each name, with its type and its samples.
func parseMetrics(text string) (any, error) {
	families := map[string]any{}
	family := func(name string) map[string]any {
		if families[name] == nil {
			families[name] = map[string]any{"samples": []any{}}
		}
		return families[name].(map[string]any)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if words := strings.Fields(line); strings.HasPrefix(line, "# TYPE ") && len(words) == 4 {
			family(words[2])["type"] = words[3]
		} else if line != "" && line[0] != '#' {
			end := strings.LastIndexByte(line, ' ')
			if end < 0 {
				return nil, errors.New("a sample without a value")
			}
			name, labels, _ := strings.Cut(line[:end], "{")
			f := family(name)
			f["samples"] = append(f["samples"].([]any), map[string]any{"labels": strings.TrimSuffix(labels, "}"), "value": cell(line[end+1:])})
		}
	}
	return families, nil
}
