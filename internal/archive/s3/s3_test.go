// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/archive/archivetest"
	"github.com/aurigraph/aurigraph/internal/archive/s3"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit/s3server"
)

func open(t *testing.T, server *s3server.Server, bucket string) *s3.Store {
	t.Helper()
	s, err := s3.Open(s3.Config{Endpoint: server.Endpoint(), Region: "us-east-1", Bucket: bucket, Prefix: "bank/v10", Credentials: server.Credentials()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	server := s3server.Start(t)
	archivetest.Run(t, func(t *testing.T) archive.Store { return open(t, server, server.Bucket(t, true)) })
}

// TestAttacks has the bucket's owner try all that would end an object before its date.
func TestAttacks(t *testing.T) {
	server := s3server.Start(t)
	bucket := server.Bucket(t, true)
	s, owner, until := open(t, server, bucket), server.Client(t), archivetest.Until()
	put, err := archivetest.Put(t.Context(), s, "objects/a", "money", until)
	if err != nil {
		t.Fatal(err)
	}
	ctx, key := t.Context(), "bank/v10/objects/a"
	retention := func(mode minio.RetentionMode, date time.Time, bypass bool) error {
		return owner.PutObjectRetention(ctx, bucket, key, minio.PutObjectRetentionOptions{VersionID: put.Version, Mode: &mode, RetainUntilDate: &date, GovernanceBypass: bypass})
	}
	clearDefault := func() error { return owner.SetBucketObjectLockConfig(ctx, bucket, nil, nil, nil) }
	for _, attack := range []struct {
		name    string
		do      func() error
		refused bool // by the server; else it does not reach the version that is kept
	}{
		{"remove the version", func() error {
			return owner.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{VersionID: put.Version})
		}, true},
		{"remove the version, bypassing governance", func() error {
			return owner.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{VersionID: put.Version, GovernanceBypass: true})
		}, true},
		{"shorten its time", func() error { return retention(minio.Compliance, until.Add(-time.Minute), true) }, true},
		{"weaken its mode", func() error { return retention(minio.Governance, until.Add(time.Hour), true) }, true},
		{"clear the bucket's default, and remove", func() error {
			if err := clearDefault(); err != nil {
				return err
			}
			return owner.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{VersionID: put.Version})
		}, true},
		{"remove the bucket", func() error { return owner.RemoveBucket(ctx, bucket) }, true},
		{"suspend versions", func() error { return owner.SuspendVersioning(ctx, bucket) }, true},
		{"overwrite", func() error {
			_, err := owner.PutObject(ctx, bucket, key, strings.NewReader("other"), 5, minio.PutObjectOptions{SendContentMd5: true})
			return err
		}, false},
		{"remove the name", func() error { return owner.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{}) }, false},
	} {
		t.Run(attack.name, func(t *testing.T) {
			if err := attack.do(); attack.refused && err == nil {
				t.Error("it was done")
			} else {
				t.Logf("the server: %v", err)
			}
			if o, err := s.Stat(ctx, "objects/a", ""); err != nil || o != put {
				t.Errorf("then it is %+v, %v; it was %+v", o, err, put)
			}
			if text := archivetest.Read(t, s, "objects/a", put.Version); text != "money" {
				t.Errorf("then it reads %q", text)
			}
		})
	}
}

func TestNotReady(t *testing.T) {
	server := s3server.Start(t)
	for bucket, want := range map[string]fault.Kind{server.Bucket(t, false): fault.Refused, "no-such-bucket": fault.NotFound} {
		if err := open(t, server, bucket).Ready(t.Context()); !fault.Is(err, want) {
			t.Errorf("%s: %v, wanted %s", bucket, err, want)
		}
	}
	cfg := s3.Config{Endpoint: server.Endpoint(), Region: "us-east-1", Bucket: server.Bucket(t, true), Credentials: credentials.NewStaticV4("archivist", "wrong", "")}
	s, err := s3.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); !fault.Is(err, fault.Denied) || strings.Contains(fmt.Sprint(err), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
	for _, endpoint := range []string{"", "127.0.0.1:9000", "ftp://s3.example.com", "http://s3.example.com", "https://s3.example.com/bucket"} {
		cfg.Endpoint = endpoint
		if _, err := s3.Open(cfg); !fault.Is(err, fault.Invalid) {
			t.Errorf("endpoint %q: %v", endpoint, err)
		}
	}
}
