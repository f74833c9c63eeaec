// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/controller"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/guard"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/notice"
)

const (
	callersPoll    = 10 * time.Second // between two questions who called V10
	callersMax     = 2 * time.Second
	secretBytesMax = 4096
)

// askCallers notes who called V10. It is asked for when the way back has ended: before that all clients still come by V10.
func (w *world) askCallers(ctx context.Context, f *migration.Facts) {
	if !f.Closed || w.isOff() {
		return
	}
	if time.Since(w.callersAt) > callersPoll {
		ctx, cancel := context.WithTimeout(ctx, callersMax)
		defer cancel()
		a, err := w.control.Callers(ctx)
		w.callers, w.callersWhy, w.callersAt = a, "", time.Now()
		if err != nil {
			w.callersWhy = err.Error()
		}
	}
	f.CallersWhy = w.callersWhy
	for i := range w.callers.Callers {
		f.Callers = append(f.Callers, migration.Caller{Name: w.callers.Callers[i].Caller, LastMs: w.callers.Callers[i].LastSeenMs})
	}
}

// Notify implements controller.World.
func (w *world) Notify(ctx context.Context, how migration.DecommissionPlan, due []migration.Due, endMs uint64) (told []controller.Noticed, err error) {
	notices, err := w.notices(ctx, &how, due, endMs)
	if err != nil {
		return nil, err
	}
	secret, err := readSecret(how.WebhookSecret)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	sender := notice.Sender{URL: how.Webhook, Secret: secret}
	for i, n := range notices {
		one := controller.Noticed{Caller: due[i].Caller}
		switch err := sender.Send(ctx, n); {
		case fault.Is(err, fault.Refused):
			one.Refused = err.Error()
		case err != nil:
			return told, err
		}
		told = append(told, one)
	}
	return told, nil
}

// notices makes those that are due.
func (w *world) notices(ctx context.Context, how *migration.DecommissionPlan, due []migration.Due, endMs uint64) ([]*notice.Notice, error) {
	t, err := readTemplate(how.Template)
	if err != nil {
		return nil, err
	}
	known, err := w.control.Callers(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]*guard.CallerSeen{}
	for i := range known.Callers {
		seen[known.Callers[i].Caller] = &known.Callers[i]
	}
	var all []*notice.Notice
	for _, d := range due {
		f := notice.Facts{
			Network: baseName(w.network.Dir), Caller: d.Caller, End: time.UnixMilli(int64(endMs)),
			Address: cmp.Or(how.Address, "http://"+w.network.Sync.Move.Edge),
		}
		if c := seen[d.Caller]; c != nil {
			f.Requests, f.LastSeen, f.Classes = c.Requests, time.UnixMilli(int64(c.LastSeenMs)), c.Classes
		}
		if d.EarlierMs != 0 {
			f.Earlier = time.UnixMilli(int64(d.EarlierMs))
		}
		n, err := notice.Render(t, &f)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// readTemplate reads the text of notices; without a file it is this program's.
func readTemplate(path string) (*template.Template, error) {
	text := notice.Text
	if path != "" {
		read, err := readBounded(path, notice.TemplateBytesMax)
		if err != nil {
			return nil, err
		}
		text = string(read)
	}
	return notice.ParseTemplate(text)
}

// readSecret reads the secret that signs notices: a file that only its owner may read.
func readSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the secret of the webhook")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Denied, "others may access %s: chmod 600", path)
	}
	text, err := readBounded(path, secretBytesMax)
	return bytes.TrimSpace(text), err
}

func readBounded(path string, bytesMax int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "open")
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, bytesMax+1))
	if err == nil && int64(len(text)) > bytesMax {
		err = fmt.Errorf("it has more than %d bytes", bytesMax)
	}
	return text, fault.Wrap(fault.Invalid, err, "read %s", path)
}

type notifyFlags struct {
	verbFlags
	template string
}

func newMigrateNotify(a *app) *cobra.Command {
	var f notifyFlags
	c := networkFlag(a, &cobra.Command{
		Use:   "notify",
		Short: "Tell those who still call V10 that it ends, or show what they would be told",
		Long: `V10's guard counts who comes to V10's own address, by the id of the API key or a hash of what was shown. Each of them who came
since the migration's last phase began gets a notice: posted as JSON to the plan's decommission.webhook, signed with its
webhook_secret, and written into the journal, so that nobody is told twice within a week. The controller does the same by
itself; this does it at once. With --dry-run it shows the notices of all who called, and sends nothing.

Exit codes: 0 done; 1 the guard or the webhook does not answer; 2 the plan has no webhook, or it is too early or too late.`,
		Example: `  aurigraph migrate notify --dry-run
  aurigraph migrate notify --dry-run --template notice.tmpl
  aurigraph migrate notify --as ann --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := f.by()
			if err != nil {
				return usage(cmd, "%v", err)
			}
			return a.migrateNotify(cmd.Context(), &f, by)
		},
	})
	f.add(c, "show the notices, and send none")
	c.Flags().StringVar(&f.template, "template", "", "file of the notices' text, a Go template (default: the plan's, else this program's)")
	return c
}

// notifiedJSON says who was told, or would be.
type notifiedJSON struct {
	DryRun  bool             `json:"dry_run"`
	Webhook string           `json:"webhook"`
	Notices []*notice.Notice `json:"notices"`
	Refused []string         `json:"refused"` // callers whose notice the webhook does not take
}

func (a *app) migrateNotify(ctx context.Context, f *notifyFlags, by string) (err error) {
	m, err := a.seeMigration(ctx)
	if err != nil {
		return err
	}
	w, err := a.openWorld(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	how := migration.DecommissionPlan{}
	if m.state.Plan != nil {
		how = m.state.Plan.Decommission
	}
	how.Template = cmp.Or(f.template, how.Template)
	out := &notifiedJSON{DryRun: f.dryRun, Webhook: how.Webhook, Notices: []*notice.Notice{}, Refused: []string{}}
	if f.dryRun {
		err = out.show(ctx, w, m, &how)
	} else {
		err = out.send(ctx, w, m, &how, by)
	}
	if err != nil && len(out.Notices) == 0 {
		return err
	}
	if shown := a.print(out, out.table); err == nil {
		err = shown
	}
	return err
}

// show makes the notices of all who called.
func (o *notifiedJSON) show(ctx context.Context, w *world, m *migrationSeen, how *migration.DecommissionPlan) error {
	known, err := w.control.Callers(ctx)
	if err != nil {
		return err
	}
	var due []migration.Due
	for i := range known.Callers {
		name := known.Callers[i].Caller
		due = append(due, migration.Due{Caller: name, EarlierMs: m.state.Told[name]})
	}
	end := m.facts.NowMs
	if m.state.Plan != nil {
		end = m.state.EndMs(m.facts.NowMs)
	}
	notices, err := w.notices(ctx, how, due, end)
	o.Notices = append(o.Notices, notices...)
	return err
}

// send sends what is due, and writes down what came of it.
func (o *notifiedJSON) send(ctx context.Context, w *world, m *migrationSeen, how *migration.DecommissionPlan, by string) (err error) {
	if err := migration.May(&m.state, &migration.Entry{Kind: migration.KindNoticed, For: "somebody"}); err != nil {
		return err
	}
	if how.Webhook == "" {
		return fault.New(fault.Invalid, "the plan has no decommission.webhook: add one with `aurigraph migrate init --plan`, or tell those whom --dry-run shows yourself")
	}
	if m.facts.CallersWhy != "" {
		return fault.New(fault.Unavailable, "nobody knows who calls V10: %s", m.facts.CallersWhy)
	}
	j, err := openJournal(ctx, w.network)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for due := m.state.Due(&m.facts); len(due) > 0; due = m.state.Due(&m.facts) {
		end := m.state.EndMs(m.facts.NowMs)
		notices, err := w.notices(ctx, how, due, end)
		if err != nil {
			return err
		}
		told, failed := w.Notify(ctx, *how, due, end)
		for i, n := range told {
			e := migration.Entry{Kind: migration.KindNoticed, By: by, For: n.Caller, OK: n.Refused == "", Why: n.Refused}
			if _, err := writeEntry(ctx, j, e, false); err != nil {
				return err
			}
			o.Notices = append(o.Notices, notices[i])
			if n.Refused != "" {
				o.Refused = append(o.Refused, n.Caller+": "+n.Refused)
			}
		}
		if failed != nil {
			return failed
		}
		entries, err := j.Read(ctx, m.state.Seq)
		for i := 0; err == nil && i < len(entries); i++ {
			err = m.state.Apply(&entries[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *notifiedJSON) table(row func(...any)) {
	for _, n := range o.Notices {
		row("notice", n.Caller, fmt.Sprintf("%d requests, the last one %s", n.Requests, n.LastSeen.Format(time.DateTime)))
	}
	for _, r := range o.Refused {
		row("refused", r)
	}
	switch {
	case len(o.Notices) == 0:
		row("nobody has to be told")
	case o.DryRun:
		row("the first would read")
		for line := range bytes.Lines([]byte(o.Notices[0].Text)) {
			row("", string(bytes.TrimRight(line, "\n")))
		}
		row("nothing was sent")
	}
}
