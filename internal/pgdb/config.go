// SPDX-License-Identifier: Apache-2.0

package pgdb

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// connectMax bounds one attempt to connect, if the URL does not say.
const connectMax = 5 * time.Second

// CheckURL refuses what is no URL of a database, and one that has a password in it. It never repeats the URL.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fault.New(fault.Invalid, "it is no URL: write postgres://user@host:port/database?sslmode=verify-full&passfile=/path")
	}
	_, inURL := u.User.Password()
	q := u.Query()
	switch {
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return fault.New(fault.Invalid, "it must begin with postgres://")
	case inURL || q.Has("password") || q.Has("sslpassword"):
		return fault.New(fault.Invalid, "a password must not stand in it: write it into a file in libpq's form (host:port:database:user:password) and name that with passfile=/path")
	case u.Host == "" && !q.Has("host"):
		return fault.New(fault.Invalid, "it names no host")
	}
	for _, name := range []string{"passfile", "sslrootcert", "sslcert", "sslkey"} {
		if p := q.Get(name); p != "" && !filepath.IsAbs(p) {
			return fault.New(fault.Invalid, "%s must be an absolute path", name)
		}
	}
	return nil
}

// Connection reads a URL, and its passfile anew, so that a password may change while the program runs. program is what the server shows
// of it, if the URL does not say.
func Connection(text, program string) (*pgx.ConnConfig, error) {
	if err := CheckURL(text); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the database's URL")
	}
	if err := checkPassfile(text); err != nil {
		return nil, err
	}
	cc, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the database's URL, or a file that it names, cannot be read: look at sslmode, sslrootcert, sslcert and sslkey")
	}
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = connectMax
	}
	cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // works through a pooler of transactions too
	SetDefault(cc, "application_name", program)
	return cc, nil
}

// checkPassfile refuses a file that others may read.
func checkPassfile(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fault.New(fault.Invalid, "the database's URL is none")
	}
	path := u.Query().Get("passfile")
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "find the passfile of the database")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fault.New(fault.Unavailable, "%s may be read by others: chmod 600 it", path)
	}
	return nil
}

// SetDefault sets a parameter of the session that the URL does not set.
func SetDefault(cc *pgx.ConnConfig, name, value string) {
	if _, ok := cc.RuntimeParams[name]; !ok {
		cc.RuntimeParams[name] = value
	}
}

// Milliseconds is a time as the server's parameters have it.
func Milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
