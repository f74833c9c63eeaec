// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func newAPIKeyUser(a *app) *cobra.Command {
	c := group("user", "Keep users who log in with a password", newUserSet(a), newUserList(a), newUserRemove(a))
	c.Long = `Keeps the users of POST /api/v10/auth/login, which trades a name and a password for a token of some minutes. Programs are better
served by an API key. The file holds no password, only Argon2id hashes.`
	c.Example = `  aurigraph apikey user set erika --password-file erika.txt --role reader
  aurigraph apikey user list`
	return c
}

func newUserSet(a *app) *cobra.Command {
	var f grantFlags
	var password string
	c := &cobra.Command{
		Use:   "set NAME",
		Short: "Add a user, or give one another password and other rights",
		Long: `Writes a user with all that it may do; what it could do before does not count any more. The password is the first line of a file,
12 to 256 bytes.

Exit codes: 0 done; 1 a file cannot be read or written; 2 the options, the name or the password will not do.`,
		Example: `  aurigraph apikey user set erika --password-file erika.txt --role reader
  aurigraph apikey user set till-7 --password-file till.txt --role payer --account till-7`,
		Args: args("NAME"),
		RunE: func(cmd *cobra.Command, got []string) error {
			if password == "" {
				return usage(cmd, "name the file that holds the password with --password-file FILE")
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.userSet(&f, got[0], password)
		},
	}
	fileFlag(c, &f.file, "users")
	c.Flags().StringVar(&password, "password-file", "", "file whose first line is the password (required)")
	f.add(c)
	return c
}

func (a *app) userSet(f *grantFlags, name, passwordFile string) error {
	path, err := a.accessFile(f.file, access.UsersFile)
	if err != nil {
		return err
	}
	password, err := firstLine(passwordFile)
	if err != nil {
		return err
	}
	if err := access.SetUser(path, name, password, f.grant); err != nil {
		return err
	}
	return a.print(map[string]any{"user": name, "roles": f.grant.Roles}, func(row func(...any)) {
		row("user", name)
		row("roles", strings.Join(f.grant.Roles, ", "))
		row("accounts", accountsText(&f.grant))
	})
}

// firstLine reads a password; a longer file than any password is cut.
func firstLine(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "open --password-file")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 2*access.PasswordBytesMax))
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "read --password-file")
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// userJSON is a user without the hash of the password.
type userJSON struct {
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	Accounts []string `json:"accounts"`
	Prefixes []string `json:"prefixes"`
	All      bool     `json:"all_accounts"`
}

func newUserList(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the users and what they may do",
		Long: `Lists the users of a file.

Exit codes: 0 done; 1 the file cannot be read; 2 it is damaged, or others may read it.`,
		Example: `  aurigraph apikey user list
  aurigraph apikey user list --json`,
		Args: args(),
		RunE: func(*cobra.Command, []string) error {
			path, err := a.accessFile(file, access.UsersFile)
			if err != nil {
				return err
			}
			users, err := access.ListUsers(path)
			if err != nil {
				return err
			}
			return a.printUsers(users)
		},
	}
	fileFlag(c, &file, "users")
	return c
}

func (a *app) printUsers(users []access.User) error {
	list := struct {
		Users []userJSON `json:"users"`
		Total int        `json:"total"`
	}{[]userJSON{}, len(users)}
	for i := range users {
		u := &users[i]
		list.Users = append(list.Users, userJSON{u.Name, u.Roles, orNone(u.Accounts), orNone(u.Prefixes), u.All})
	}
	return a.print(list, func(row func(...any)) {
		row("NAME", "ROLES", "ACCOUNTS", fmt.Sprintf("(%d)", len(users)))
		for i := range users {
			row(users[i].Name, strings.Join(users[i].Roles, ","), accountsText(&users[i].Grant))
		}
	})
}

func newUserRemove(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a user, and end all its tokens",
		Long: `Takes a user out of the file. Servers that run refuse its password and its tokens within a second.

Exit codes: 0 done; 1 there is no such user, or the file cannot be written; 2 the options will not do.`,
		Example: `  aurigraph apikey user remove erika
  aurigraph apikey user remove erika --json`,
		Args: args("NAME"),
		RunE: func(_ *cobra.Command, got []string) error {
			path, err := a.accessFile(file, access.UsersFile)
			if err != nil {
				return err
			}
			if err := access.RemoveUser(path, got[0]); err != nil {
				return err
			}
			return a.print(map[string]string{"removed": got[0]}, func(row func(...any)) { row("removed", got[0]) })
		},
	}
	fileFlag(c, &file, "users")
	return c
}
