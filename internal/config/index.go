// SPDX-License-Identifier: Apache-2.0

package config

import "github.com/aurigraph/aurigraph/internal/index/postgres"

// IndexSQLite is the URL of an index in a file of this process's folder.
const IndexSQLite = "sqlite"

// ImportedFolder is the folder below data, beside that of an index in a file, where V10's imported history lies. With a database it lies
// there. Unlike the index it cannot be made again from the chain.
const ImportedFolder = "imported"

// Rates of the index that make sense: beside a node, and in a database of its own.
const (
	IndexRowsSQLite   = 20_000
	IndexRowsPostgres = 200_000
)

// Index is the query index.
type Index struct {
	Enabled bool `yaml:"enabled"`
	// URL is sqlite, or a database: postgres://user@host:port/database?sslmode=verify-full&sslrootcert=/ca.pem&passfile=/path. A
	// password stands in the passfile only, in libpq's form.
	URL              string `yaml:"url"`
	RowsPerSecondMax int    `yaml:"rows_per_second_max"`
}

// At is the settings with the index at a URL, and the rate that suits it.
func (x Index) At(url string) Index {
	x.URL, x.RowsPerSecondMax = url, IndexRowsSQLite
	if url != IndexSQLite {
		x.RowsPerSecondMax = IndexRowsPostgres
	}
	return x
}

// CheckIndexURL refuses what names no index. It never repeats what may have a password in it.
func CheckIndexURL(url string) error {
	if url == IndexSQLite {
		return nil
	}
	return postgres.CheckURL(url)
}

func (x Index) validate(bad func(field, format string, args ...any) error) error {
	if x.RowsPerSecondMax < 1 {
		return bad("index.rows_per_second_max", "%d, must be at least 1", x.RowsPerSecondMax)
	}
	if err := CheckIndexURL(x.URL); err != nil {
		return bad("index.url", "must be %s or a database: %v", IndexSQLite, err)
	}
	return nil
}
