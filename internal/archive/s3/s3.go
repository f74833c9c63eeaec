// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Config says where a bucket is.
type Config struct {
	Endpoint    string // URL of the server
	Region      string // empty: the server is asked
	Bucket      string
	Prefix      string // before the keys, without slashes around it; empty: none
	Credentials *credentials.Credentials
}

// Store is a bucket, or what begins with a prefix in it. It is safe for any number of goroutines.
type Store struct {
	client         *minio.Client
	http           *http.Client
	core           minio.Core // reads without asking first
	bucket, prefix string
}

const (
	triesMax       = 5 // of a request, with pauses that grow to a second
	answerBytesMax = 64 << 10
)

// Open makes a store. It sends nothing.
func Open(cfg Config) (*Store, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		return nil, fault.New(fault.Invalid, "%q is no server of S3: write https://HOST", cfg.Endpoint)
	}
	if u.Scheme == "http" && !onThisMachine(u.Hostname()) {
		return nil, fault.New(fault.Invalid, "%s is another machine: what is archived goes there by https only", cfg.Endpoint)
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the way to S3")
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: cfg.Credentials, Secure: u.Scheme == "https", Transport: transport, Region: cfg.Region, MaxRetries: triesMax,
		TrailingHeaders: true, // without it the client refuses to send a checksum
	})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the server of S3")
	}
	s := &Store{client: client, http: &http.Client{Transport: transport}, core: minio.Core{Client: client}, bucket: cfg.Bucket, prefix: strings.Trim(cfg.Prefix, "/")}
	if s.prefix != "" {
		s.prefix += "/"
	}
	return s, nil
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// String implements archive.Store.
func (s *Store) String() string { return "s3://" + s.bucket + "/" + strings.TrimSuffix(s.prefix, "/") }

// Mode implements archive.Store.
func (s *Store) Mode() string { return archive.ModeCompliance }

// Ready implements archive.Store.
func (s *Store) Ready(ctx context.Context) error {
	lock, _, _, _, err := s.client.GetObjectLockConfig(ctx, s.bucket)
	switch code := minio.ToErrorResponse(err).Code; {
	case code == "ObjectLockConfigurationNotFoundError" || err == nil && lock != "Enabled":
		return fault.Reasoned(fault.Refused, "no_object_lock", "bucket %s has no object lock, so nothing in it is safe from its owner: make one that has", s.bucket)
	case code == minio.NoSuchBucket:
		return fault.New(fault.NotFound, "there is no bucket %s: make it, with object lock", s.bucket)
	}
	return s.wrap(err, "ask bucket %s for its object lock", s.bucket)
}

// Put implements archive.Store.
func (s *Store) Put(ctx context.Context, key string, body io.ReaderAt, size int64, digest archive.Digest, until time.Time) (archive.Object, error) {
	info, err := s.client.PutObject(ctx, s.bucket, s.prefix+key, io.NewSectionReader(body, 0, size), size, minio.PutObjectOptions{
		DisableMultipart: true, Mode: minio.Compliance, RetainUntilDate: until.UTC(), ContentType: "application/octet-stream",
		UserMetadata: map[string]string{minio.ChecksumSHA256.Key(): base64.StdEncoding.EncodeToString(digest[:])},
	})
	switch minio.ToErrorResponse(err).Code {
	case "BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest":
		return archive.Object{}, fault.Reasoned(fault.Conflict, "changed", "what is archived changed while it was read, or on its way: stop who writes it, and start again")
	}
	if err != nil {
		return archive.Object{}, s.wrap(err, "write %s", key)
	}
	return s.Stat(ctx, key, info.VersionID)
}

// Stat implements archive.Store.
func (s *Store) Stat(ctx context.Context, key, version string) (o archive.Object, err error) {
	if version == "" {
		if version, err = s.first(ctx, key); err != nil {
			return o, err
		}
	}
	info, err := s.client.StatObject(ctx, s.bucket, s.prefix+key, minio.StatObjectOptions{VersionID: version, Checksum: true})
	if err != nil {
		return o, s.wrap(err, "look at %s", key)
	}
	o = archive.Object{Key: key, Version: version, Bytes: info.Size}
	mode, until := info.Metadata.Get("X-Amz-Object-Lock-Mode"), info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date")
	if mode == "" { // some servers only say it of the newest version
		if mode, until, err = s.retention(ctx, key, version); err != nil {
			return o, err
		}
	}
	if o.Mode = mode; until != "" {
		if o.RetainUntil, err = time.Parse(time.RFC3339, until); err != nil {
			return o, fault.Wrap(fault.Corrupt, err, "until when %s is kept", key)
		}
	}
	if sum, err := base64.StdEncoding.DecodeString(info.ChecksumSHA256); err == nil && len(sum) == len(o.Digest) {
		copy(o.Digest[:], sum)
	}
	return o, nil
}

// retention asks how a version is kept. Servers do not agree on the name of the answer, and the client insists on one: it is read here.
func (s *Store) retention(ctx context.Context, key, version string) (mode, until string, err error) {
	u, err := s.client.Presign(ctx, http.MethodGet, s.bucket, s.prefix+key, time.Minute, url.Values{"retention": {""}, "versionId": {version}})
	if err != nil {
		return "", "", s.wrap(err, "ask how %s is kept", key)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", "", fault.Wrap(fault.Internal, err, "ask how %s is kept", key)
	}
	answer, err := s.http.Do(r)
	if err != nil {
		var bare *url.Error // without the URL, which is signed
		if errors.As(err, &bare) {
			err = bare.Err
		}
		return "", "", fault.Wrap(fault.Unavailable, err, "ask how %s is kept", key)
	}
	defer answer.Body.Close()
	var kept struct{ Mode, RetainUntilDate, Code string }
	err = xml.NewDecoder(io.LimitReader(answer.Body, answerBytesMax)).Decode(&kept)
	switch {
	case answer.StatusCode == http.StatusForbidden:
		return "", "", fault.New(fault.Denied, "nobody told how %s is kept: the credentials may not ask (GetObjectRetention)", key)
	case kept.Code == minio.NoSuchKey || kept.Code == minio.NoSuchVersion:
		return "", "", fault.New(fault.NotFound, "%s has no %s any more", s, key)
	case answer.StatusCode == http.StatusNotFound || kept.Code == "NoSuchObjectLockConfiguration" || kept.Code == "InvalidRequest": // it is not kept
		return "", "", nil
	case answer.StatusCode != http.StatusOK || err != nil: // too many requests, or credentials that ended, say nothing about it
		return "", "", fault.Wrap(fault.Unavailable, errors.Join(err, errors.New(answer.Status+" "+kept.Code)), "ask how %s is kept", key)
	}
	return kept.Mode, kept.RetainUntilDate, nil
}

// first is the oldest version of an object.
func (s *Store) first(ctx context.Context, key string) (version string, err error) {
	err = s.versions(ctx, key, func(o *minio.ObjectInfo) error {
		if o.Key == s.prefix+key { // they come from the newest to the oldest
			version = o.VersionID
		}
		return nil
	})
	if err == nil && version == "" {
		err = fault.New(fault.NotFound, "%s has no %s", s, key)
	}
	return version, err
}

// versions calls each for the versions of the objects whose key begins with prefix, without marks of removal.
func (s *Store) versions(ctx context.Context, prefix string, each func(*minio.ObjectInfo) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the listing
	defer cancel()
	for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, WithVersions: true, Recursive: true}) {
		if o.Err != nil {
			return s.wrap(o.Err, "list %s", s)
		}
		if o.IsDeleteMarker {
			continue
		}
		if err := each(&o); err != nil {
			return err
		}
	}
	return s.wrap(ctx.Err(), "list %s", s)
}

// Get implements archive.Store.
func (s *Store) Get(ctx context.Context, key, version string) (body io.ReadCloser, err error) {
	if version == "" {
		if version, err = s.first(ctx, key); err != nil {
			return nil, err
		}
	}
	body, _, _, err = s.core.GetObject(ctx, s.bucket, s.prefix+key, minio.GetObjectOptions{VersionID: version})
	if err != nil {
		return nil, s.wrap(err, "read %s", key)
	}
	return body, nil
}

// List implements archive.Store.
func (s *Store) List(ctx context.Context, prefix string, each func(archive.Object) error) error {
	return s.versions(ctx, prefix, func(o *minio.ObjectInfo) error {
		return each(archive.Object{Key: strings.TrimPrefix(o.Key, s.prefix), Version: o.VersionID, Bytes: o.Size})
	})
}

// wrap gives what the server says a kind.
func (s *Store) wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	kind := fault.Unavailable
	switch r := minio.ToErrorResponse(err); {
	case r.Code == minio.NoSuchBucket:
		return fault.New(fault.NotFound, "there is no bucket %s", s.bucket)
	case r.StatusCode == http.StatusNotFound, r.Code == minio.NoSuchVersion, r.Code == minio.NoSuchKey:
		kind = fault.NotFound
	case r.StatusCode == http.StatusForbidden:
		kind = fault.Denied
	case r.StatusCode >= 400 && r.StatusCode < 500 && r.StatusCode != http.StatusTooManyRequests && r.StatusCode != http.StatusRequestTimeout:
		kind = fault.Refused
	}
	return fault.Wrap(kind, err, format, args...)
}
