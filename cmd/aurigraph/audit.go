// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

func newAudit(a *app) *cobra.Command {
	c := group("audit", "Check what servers wrote down about their callers", newAuditVerify(a), newAuditTag(a))
	c.Long = `A server that takes payments from callers writes a line for each write: who, what, with which result. The lines are chained by
hashes. This is not the ledger; that is checked by "aurigraph verify".`
	c.Example = `  aurigraph audit verify .aurigraph/access/audit
  aurigraph audit verify audit-000000000001.jsonl --json`
	return c
}

func newAuditVerify(a *app) *cobra.Command {
	var head string
	c := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check that no line of an audit trail was changed, taken out or put in",
		Long: `Reads files of an audit trail in the given order, or all of a folder, as one chain. Nothing is written; the server may run.

The chain shows changes by who could not change all that follows. Against who could, compare with a hash that was noted elsewhere:
the server's log says one about every hour ("the audit trail's head is …"). --head looks for it.

Exit codes: 0 the chain is whole; 1 it is not, or a file cannot be read; 2 the options will not do, or --head is no line of it.`,
		Example: `  aurigraph audit verify .aurigraph/access/audit
  aurigraph audit verify audit-000000000001.jsonl audit-000000040212.jsonl --json
  aurigraph audit verify audit --head 70acde81ff34313e8144d63304e9f2b7a5fefb36699a54d8d32383a7a96faf20`,
		Args: func(cmd *cobra.Command, got []string) error {
			if len(got) == 0 {
				return usage(cmd, "%s takes FILE...: files of an audit trail, or its folder", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, got []string) error {
			var find *trail.Hash
			if cmd.Flags().Changed("head") {
				h, err := trail.ParseHash(head)
				if err != nil {
					return usage(cmd, "--head: %v", err)
				}
				find = &h
			}
			return a.auditVerify(find, got)
		},
	}
	c.Flags().StringVar(&head, "head", "", "hash of a line that must be in the chain, 64 hex digits")
	return c
}

func newAuditTag(a *app) *cobra.Command {
	var key string
	c := networkFlag(a, &cobra.Command{
		Use:   "tag NAME",
		Short: "Show how an account or a person stands in an audit trail",
		Long: `An audit trail has no names, only their tags under the network's alias key. This shows the tag of a name, to look for it there.
The subject of an identity provider is written PROVIDER/SUBJECT.

Exit codes: 0 done; 1 there is no alias key; 2 the name will not do, or others may read the key.`,
		Example: `  aurigraph audit tag "ACME GmbH/EUR"
  aurigraph audit tag corp/erika --alias-key /etc/aurigraph/alias.key`,
		Args: args("NAME"),
		RunE: func(_ *cobra.Command, got []string) error {
			path := key
			if path == "" {
				path = filepath.Join(a.network, aliasKeyName)
			}
			alias, err := keys.ReadAliasKey(path)
			if err != nil {
				return err
			}
			tag := trail.Tagged(alias.Tag, got[0])
			return a.print(map[string]string{"tag": tag}, func(row func(...any)) { row(tag) })
		},
	})
	c.Flags().StringVar(&key, "alias-key", "", "file of the network's alias key (default: keys/alias.key of the network's folder)")
	return c
}

type auditJSON struct {
	*trail.Report
	Prev string `json:"prev"` // hash of the line before the first one; zeros: there is none
	Head string `json:"head"`
}

func (a *app) auditVerify(find *trail.Hash, paths []string) error {
	files, err := auditFiles(paths)
	if err != nil {
		return err
	}
	r, err := trail.Verify(find, files...)
	if err != nil {
		return err
	}
	if find != nil && !r.Found {
		return fault.Reasoned(fault.Refused, "head_missing", "the chain is whole, but no line of it has the hash %s: lines were cut off or written anew, or the files are not those", find)
	}
	return a.print(auditJSON{r, r.Prev.String(), r.Head.String()}, func(row func(...any)) {
		row("chain", "whole")
		row("lines", r.Lines, fmt.Sprintf("%d to %d", r.First, r.Last), fmt.Sprintf("in %d files", r.Files))
		row("time", r.Begin, "to", r.End)
		row("head", r.Head)
		if r.First != 1 {
			row("follows", r.Prev)
		}
		if r.Torn > 0 {
			row("torn", fmt.Sprintf("%d bytes at the end: a line that is being written, or that a crash ended", r.Torn))
		}
	})
}

// auditFiles puts the files of folders in their place.
func auditFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fault.Wrap(fault.NotFound, err, "look at the audit trail")
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		in, err := trail.Files(path)
		if err != nil {
			return nil, err
		}
		files = append(files, in...)
	}
	return files, nil
}
