// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Fetch reads a source. The context bounds it.
type Fetch func(ctx context.Context, source string) ([]byte, error)

const redirectsMax = 3

// CheckSource is Invalid unless source is a path, an https URL, or an http URL on this machine.
func CheckSource(source string) error {
	switch {
	case source == "":
		return fault.New(fault.Invalid, "jwks: name the key set's file or URL")
	case !strings.Contains(source, "://"):
		return nil
	}
	u, err := url.Parse(source)
	if err != nil {
		return fault.New(fault.Invalid, "jwks: %q is no URL", source)
	}
	return checkURL(u)
}

func checkURL(u *url.URL) error {
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
	switch {
	case u.User != nil:
		return fault.New(fault.Invalid, "jwks: the URL holds a password; a key set is public, leave it out")
	case u.Scheme == "https" && u.Host != "", u.Scheme == "http" && local:
		return nil
	}
	return fault.New(fault.Invalid, "jwks: %q: use https, since whoever changes the answer signs the tokens", u.Redacted())
}

var client = &http.Client{
	CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > redirectsMax {
			return fault.New(fault.Unavailable, "more than %d redirections", redirectsMax)
		}
		return checkURL(r.URL)
	},
}

// fetch reads a file or a URL.
func fetch(ctx context.Context, source string) ([]byte, error) {
	if !strings.Contains(source, "://") {
		f, err := os.Open(source)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "open the key set")
		}
		defer f.Close()
		return readBounded(f)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, source, http.NoBody)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "fetch the key set")
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := client.Do(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "fetch the key set")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "fetch the key set: the answer is %d", resp.StatusCode)
	}
	return readBounded(resp.Body)
}

// readBounded reads one byte more than may be, so that Parse sees that it is too much.
func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, SetBytesMax+1))
	return text, fault.Wrap(fault.Unavailable, err, "read the key set")
}

// Times of a set.
const (
	RefreshEvery = 10 * time.Minute
	// RefreshMin is between two fetches that unknown keys ask for, and after one that failed.
	RefreshMin = 30 * time.Second
	// StaleMax is how long a set counts that cannot be fetched again.
	StaleMax     = 24 * time.Hour
	fetchTimeout = 10 * time.Second
)
