// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/aurigraph/aurigraph/internal/archive/s3"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestRetentionAnswers has a server answer each way when it is asked how an object is kept: only some of them say that it is not.
func TestRetentionAnswers(t *testing.T) {
	for name, x := range map[string]struct {
		status int
		body   string
		kind   fault.Kind // of the error; 0: there is none
		mode   string
	}{
		"it is kept":             {200, "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2033-01-01T00:00:00Z</RetainUntilDate></Retention>", 0, "COMPLIANCE"},
		"it is not":              {404, "<Error><Code>NoSuchObjectLockConfiguration</Code></Error>", 0, ""},
		"a bucket without lock":  {400, "<Error><Code>InvalidRequest</Code></Error>", 0, ""},
		"it is gone":             {404, "<Error><Code>NoSuchVersion</Code></Error>", fault.NotFound, ""},
		"asking is denied":       {403, "<Error><Code>AccessDenied</Code></Error>", fault.Denied, ""},
		"too many requests":      {429, "<Error><Code>SlowDown</Code></Error>", fault.Unavailable, ""},
		"credentials that ended": {400, "<Error><Code>ExpiredToken</Code></Error>", fault.Unavailable, ""},
		"a server that is ill":   {500, "<Error><Code>InternalError</Code></Error>", fault.Unavailable, ""},
		"no words":               {200, "welcome", fault.Unavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Last-Modified", "Sat, 28 Nov 2026 09:00:00 GMT")
				if r.URL.Query().Has("retention") {
					w.WriteHeader(x.status)
					_, _ = io.WriteString(w, x.body)
				}
			}))
			defer server.Close()
			s, err := s3.Open(s3.Config{Endpoint: server.URL, Region: "us-east-1", Bucket: "bucket", Credentials: credentials.NewStaticV4("a", "b", "")})
			if err != nil {
				t.Fatal(err)
			}
			o, err := s.Stat(t.Context(), "objects/a", "1")
			if x.kind == 0 && (err != nil || o.Mode != x.mode) || x.kind != 0 && !fault.Is(err, x.kind) {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}
