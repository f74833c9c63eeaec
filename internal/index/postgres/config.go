// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of what the engine asks of a database.
const (
	ReadersMax    = 4                // connections for lists; more lists wait
	connectMax    = 5 * time.Second  // for one connection
	answerMax     = 5 * time.Second  // for one statement of a list
	applyMax      = 60 * time.Second // for one attempt at a group
	idleInGroup   = 30 * time.Second // after which the server ends a transaction of which nothing is heard
	migrateMax    = 5 * time.Minute
	buildIndexMax = 15 * time.Minute // for the indexes of one partition that was loaded bare
)

// Config says which database.
type Config struct {
	// URL is a libpq URL. Its parameters are libpq's: sslmode, sslrootcert, sslcert, sslkey, passfile, connect_timeout.
	URL string
	// PartitionBits sets how many transfers share a partition of a new index, 1<<PartitionBits; 0: PartitionBitsDefault.
	PartitionBits int
	// Bare lets partitions that are begun have no indexes until they are full: for a long history that nobody lists from yet. Lists are
	// right all the same, and slow in a bare partition. Opened without it, the index has all its indexes before Open returns.
	Bare bool
	// OnRetry is told why a group is tried again. It may be nil.
	OnRetry func(reason string, err error)
}

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

// connection reads the URL, and the passfile anew, so that a password may change while the program runs.
func (c Config) connection() (*pgx.ConnConfig, error) {
	if err := CheckURL(c.URL); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the index's URL")
	}
	if err := checkPassfile(c.URL); err != nil {
		return nil, err
	}
	cc, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the index's URL, or a file that it names, cannot be read: look at sslmode, sslrootcert, sslcert and sslkey")
	}
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = connectMax
	}
	cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // works through a pooler of transactions too
	setDefault(cc.RuntimeParams, "application_name", "aurigraph-index")
	return cc, nil
}

// checkPassfile refuses a file that others may read.
func checkPassfile(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fault.New(fault.Invalid, "the index's URL is none")
	}
	path := u.Query().Get("passfile")
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "find the passfile of the index's database")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fault.New(fault.Unavailable, "%s may be read by others: chmod 600 it", path)
	}
	return nil
}

func (c Config) writer() (*pgx.ConnConfig, error) {
	cc, err := c.connection()
	if err != nil {
		return nil, err
	}
	setDefault(cc.RuntimeParams, "idle_in_transaction_session_timeout", milliseconds(idleInGroup))
	setDefault(cc.RuntimeParams, "lock_timeout", milliseconds(idleInGroup))
	return cc, nil
}

func setDefault(params map[string]string, name, value string) {
	if _, ok := params[name]; !ok {
		params[name] = value
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
