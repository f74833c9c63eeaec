// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/archive/folder"
	"github.com/aurigraph/aurigraph/internal/archive/s3"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// awsEndpoint is where buckets are if nobody says otherwise.
const awsEndpoint = "https://s3.amazonaws.com"

// archivePlace says where an archive is.
type archivePlace struct {
	url         string // file:///PATH or s3://BUCKET/PREFIX
	endpoint    string // URL of the server of S3
	region      string
	credentials string // file; empty: the environment, or ~/.aws/credentials
}

func (p *archivePlace) add(c *cobra.Command, flag, usage string) {
	s := c.Flags()
	s.StringVar(&p.url, flag, "", usage+": file:///FOLDER or s3://BUCKET/PREFIX")
	s.StringVar(&p.endpoint, "s3-endpoint", awsEndpoint, "URL of the server of S3")
	s.StringVar(&p.region, "s3-region", "", "region of the bucket (default: AWS_REGION, else the server is asked)")
	s.StringVar(&p.credentials, "s3-credentials", "", "file of the credentials, as AWS has it (default: AWS_ACCESS_KEY_ID …, else ~/.aws/credentials)")
}

// path is the folder of an archive in a folder; empty: it is elsewhere.
func (p *archivePlace) path() string {
	path, is := strings.CutPrefix(p.url, "file://")
	if !is {
		return ""
	}
	return filepath.Clean(path)
}

// openArchive opens the store of an archive. It sends nothing.
func openArchive(p *archivePlace) (archive.Store, error) {
	u, err := url.Parse(p.url)
	switch {
	case err != nil:
	case u.Scheme == "file" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return folder.Open(u.Path)
	case u.Scheme == "s3" && u.Host != "" && u.User == nil && u.RawQuery == "":
		return s3.Open(s3.Config{
			Endpoint: p.endpoint, Region: cmp.Or(p.region, os.Getenv("AWS_REGION")), Bucket: u.Host, Prefix: u.Path, Credentials: p.secrets(),
		})
	}
	return nil, fault.New(fault.Invalid, "%q is no place of an archive: write file:///FOLDER or s3://BUCKET/PREFIX", p.url)
}

// secrets are read when the first request is signed, and again when they end.
func (p *archivePlace) secrets() *credentials.Credentials {
	if p.credentials != "" {
		return credentials.New(&credentials.FileAWSCredentials{Filename: p.credentials})
	}
	return credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}})
}

// parseRetain reads for how long something is kept: 7y, 90d, or a duration.
func parseRetain(text string, now time.Time) (time.Time, error) {
	const yearsMax, daysMax = 100, 36525
	until := time.Time{}
	for unit, of := range map[string]struct {
		most int
		add  func(int) time.Time
	}{
		"y": {yearsMax, func(n int) time.Time { return now.AddDate(n, 0, 0) }},
		"d": {daysMax, func(n int) time.Time { return now.AddDate(0, 0, n) }},
	} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.Atoi(number); err == nil && n > 0 && n <= of.most {
				until = of.add(n)
			}
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= time.Minute {
		until = now.Add(d)
	}
	if until.IsZero() {
		return until, fault.New(fault.Invalid, "--retain %q: write 7y, 90d or 24h, at least a minute and at most %d years", text, yearsMax)
	}
	return until.UTC().Truncate(time.Second), nil
}
