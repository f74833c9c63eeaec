// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// v10DiffFlags are what v10 diff is told.
type v10DiffFlags struct {
	a, b        string
	replay      string
	rules       string
	corpus      string // to write
	payerA      string
	payerB      string
	keyA, keyB  string // files
	onlyMyRules bool
}

func newV10Diff(a *app) *cobra.Command {
	var f v10DiffFlags
	c := &cobra.Command{
		Use:   "diff",
		Short: "Compare two servers that speak V10, field by field",
		Long: `Sends the same requests to two servers and compares status, headers and body of what they answer: numbers as exact decimals,
lists in their order. Writes are sent once to each. Reads are sent to A twice: where A differs from itself, that is noise and not
counted as a difference. Both ledgers are written to: the requests pay from one funded account of each to new accounts.

What may differ is declared by rules, each with its reason: not looked at (ignore), of the same form (form), near (within), in
any order (unordered), other ids that stand one to one for the same things (ids). Rules for V10's dialect are built in; those of
--rules go before them. Without --replay the built-in corpus is sent, which asks for every endpoint that V11 serves and for every
class of errors; --write-corpus writes it to a file, to begin a corpus of one's own from. docs/v10-diff.md has both forms.

Exit codes: 0 nothing is unexplained; 1 something is, or a server could not be reached; 2 the files or the options will not do.`,
		Example: `  aurigraph v10 diff --a http://127.0.0.1:4004 --b http://127.0.0.1:7451
  aurigraph v10 diff --a http://v10:4004 --b http://v11:7451 --replay requests.jsonl --rules ours.yaml --json
  aurigraph v10 diff --write-corpus requests.jsonl`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.corpus != "" {
				return a.v10WriteCorpus(f.corpus)
			}
			if f.a == "" || f.b == "" {
				return usage(cmd, "name both servers, --a URL and --b URL")
			}
			cfg, err := f.config()
			if err != nil {
				return err
			}
			return a.v10Diff(cmd.Context(), cfg)
		},
	}
	f.add(c)
	return c
}

func (f *v10DiffFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.a, "a", "", "address of the server that is taken as it is, http://host:port (required)")
	s.StringVar(&f.b, "b", "", "address of the server that is compared with it (required)")
	s.StringVar(&f.replay, "replay", "", "file of requests, a line of JSON each (default: the built-in corpus)")
	s.StringVar(&f.rules, "rules", "", "YAML file of rules that go before the built-in ones")
	s.BoolVar(&f.onlyMyRules, "no-default-rules", false, "only the rules of --rules count")
	s.StringVar(&f.corpus, "write-corpus", "", "write the built-in corpus to this new file, and compare nothing")
	s.StringVar(&f.payerA, "payer-a", "", "V10 name of an account of A that can pay 2000 AUR (default: one is looked for)")
	s.StringVar(&f.payerB, "payer-b", "", "the same of B")
	s.StringVar(&f.keyA, "api-key-a", "", "file that holds the API key to call A with")
	s.StringVar(&f.keyB, "api-key-b", "", "the same for B")
}

func (f *v10DiffFlags) config() (cfg v10diff.Config, err error) {
	cfg.A, cfg.B = v10diff.Server{URL: f.a, Payer: f.payerA}, v10diff.Server{URL: f.b, Payer: f.payerB}
	if cfg.A.Header, err = apiKeyHeader(f.keyA); err != nil {
		return cfg, err
	}
	if cfg.B.Header, err = apiKeyHeader(f.keyB); err != nil {
		return cfg, err
	}
	if cfg.Corpus, err = readV10Corpus(f.replay); err != nil {
		return cfg, err
	}
	if f.rules != "" {
		text, err := os.ReadFile(f.rules)
		if err != nil {
			return cfg, fault.Wrap(fault.Invalid, err, "read --rules")
		}
		if cfg.Rules, err = v10diff.ReadRules(text); err != nil {
			return cfg, fault.Wrap(fault.Invalid, err, "--rules %s", f.rules)
		}
	}
	if !f.onlyMyRules {
		cfg.Rules = append(cfg.Rules, v10diff.DefaultRules()...)
	}
	var word [4]byte
	_, _ = rand.Read(word[:]) // it never fails
	cfg.Run = fmt.Sprintf("%X", word)
	return cfg, nil
}

// apiKeyHeader reads a key from its file; no file is no header.
func apiKeyHeader(path string) (http.Header, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the API key")
	}
	return http.Header{"X-Api-Key": {strings.TrimSpace(string(text))}}, nil
}

func readV10Corpus(path string) ([]v10diff.Request, error) {
	if path == "" {
		return v10diff.DefaultCorpus(), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "open --replay")
	}
	defer file.Close()
	corpus, err := v10diff.ReadCorpus(file)
	return corpus, fault.Wrap(fault.KindOf(err), err, "--replay %s", path)
}

// v10WriteCorpus writes a new file: one that somebody made from an earlier one is not overwritten.
func (a *app) v10WriteCorpus(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fault.New(fault.Conflict, "%s exists: name a new file", path)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the corpus")
	}
	_, err = file.Write(v10diff.DefaultCorpusText())
	if err = errors.Join(err, file.Close()); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the corpus")
	}
	n := len(v10diff.DefaultCorpus())
	return a.print(map[string]any{"file": path, "requests": n}, func(row func(...any)) { row(fmt.Sprintf("%d requests in %s", n, path)) })
}

func (a *app) v10Diff(ctx context.Context, cfg v10diff.Config) error {
	bar := a.newBar()
	cfg.Progress = func(done, total int) { bar.show("compare", int64(done), int64(total)) }
	report, err := v10diff.Run(ctx, cfg)
	bar.clear()
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { v10DiffTable(report, row) }); err != nil {
		return err
	}
	if !report.OK() {
		return &reported{fault.Reasoned(fault.Corrupt, "unexplained", "%d differences are unexplained", report.Differ)}
	}
	return nil
}

// What the table shows of each kind; --json has all.
const (
	diffsShown = 50
	noiseShown = 10
)

func v10DiffTable(r *v10diff.Report, row func(...any)) {
	for i, g := range r.Unexplained {
		if i == diffsShown {
			row(fmt.Sprintf("… and %d more kinds: see --json", len(r.Unexplained)-i+r.More))
			break
		}
		row("DIFFERS", fmt.Sprintf("%d×", g.Count), g.Row, g.Path)
		row("", "", "a "+g.A)
		row("", "", "b "+g.B)
		row("", "", "of "+g.Request)
	}
	for _, s := range r.Skipped {
		row("skipped", fmt.Sprintf("%d×", s.Count), s.Why, "such as "+s.Example)
	}
	for _, e := range explainedByReason(r) {
		row("explained", fmt.Sprintf("%d×", e.Count), string(e.Do), e.Why)
	}
	for i, n := range r.Noise {
		if i == noiseShown {
			row("noise", fmt.Sprintf("… in %d fields more: see --json", len(r.Noise)-i))
			break
		}
		row("noise", fmt.Sprintf("%d×", n.Count), n.Row, n.Field)
	}
	word := "OK: nothing is unexplained"
	if !r.OK() {
		word = fmt.Sprintf("NOT OK: %d differences are unexplained", r.Differ)
	}
	row(fmt.Sprintf("%s. %d of %d requests compared, %d fields: %d by value, %d by form, %d not looked at, %d noisy; share by value %.1f %%; %.1f s",
		word, r.Compared, r.Requests, r.Fields, r.ByValue, r.ByForm, r.Ignored, r.Noisy, 100*r.Share, r.Seconds))
}

// explainedByReason adds up the rules that have the same reason.
func explainedByReason(r *v10diff.Report) []v10diff.RuleUse {
	var all []v10diff.RuleUse
	for _, e := range r.Explained {
		i := slices.IndexFunc(all, func(x v10diff.RuleUse) bool { return x.Do == e.Do && x.Why == e.Why })
		if i < 0 {
			all = append(all, e)
			continue
		}
		all[i].Count += e.Count
	}
	slices.SortStableFunc(all, func(x, y v10diff.RuleUse) int { return y.Count - x.Count })
	return all
}
