// SPDX-License-Identifier: Apache-2.0

package notice

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// receiver answers with one status after the other; 0 is no answer.
type receiver struct {
	t     *testing.T
	codes []int
	asked []time.Time
	keys  map[string]bool
}

var secret = []byte("0123456789abcdef")

func (r *receiver) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	var seconds int64
	var digest string
	if _, err := fmt.Sscanf(strings.NewReplacer(",v1=", " ", "t=", "").Replace(q.Header.Get(SignatureHeader)), "%d %s", &seconds, &digest); err != nil {
		r.t.Error(err)
	}
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%d.%s", seconds, body)
	if hex.EncodeToString(mac.Sum(nil)) != digest || seconds != time.Now().Unix() {
		r.t.Errorf("the signature %s does not fit", q.Header.Get(SignatureHeader))
	}
	var n Notice
	if err := json.Unmarshal(body, &n); err != nil || n.ID != q.Header.Get(KeyHeader) || n.Text == "" || bytes.Contains(body, secret) {
		r.t.Errorf("it gets %s, %v", body, err)
	}
	r.keys[n.ID] = true
	code := r.codes[min(len(r.asked), len(r.codes)-1)]
	r.asked = append(r.asked, time.Now())
	if code == 0 {
		return nil, errors.New("no route")
	}
	return &http.Response{StatusCode: code, Header: http.Header{"Location": {"http://elsewhere/"}}, Body: io.NopCloser(strings.NewReader("says\nso"))}, nil
}

// TestSend: what may succeed later is tried again, with pauses that grow and the same key; what is refused is not.
func TestSend(t *testing.T) {
	for name, c := range map[string]struct {
		codes  []int
		tries  int
		kind   fault.Kind // 0 with good
		reason string
		took   time.Duration
	}{
		"taken":           {[]int{204}, 1, 0, "", 0},
		"taken later":     {[]int{503, 0, 429, 200}, 4, 0, "", 7 * time.Second},
		"never":           {[]int{500}, 4, fault.Unavailable, ReasonUnsent, 7 * time.Second},
		"nobody is there": {[]int{0}, 4, fault.Unavailable, ReasonUnsent, 7 * time.Second},
		"refused":         {[]int{422}, 1, fault.Refused, ReasonRefused, 0},
		"refused later":   {[]int{500, 401}, 2, fault.Refused, ReasonRefused, time.Second},
		"sent elsewhere":  {[]int{307}, 1, fault.Refused, ReasonRefused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{t: t, codes: c.codes, keys: map[string]bool{}}
				began := time.Now()
				err := (&Sender{URL: "https://crm/notices", Secret: secret, Via: r}).Send(t.Context(), rendered(t, Text, facts()))
				if (err == nil) != (c.reason == "") || err != nil && (!fault.Is(err, c.kind) || fault.ReasonOf(err) != c.reason || strings.Contains(err.Error(), "\n")) {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); len(r.asked) != c.tries || took != c.took || len(r.keys) != 1 {
					t.Errorf("%d tries in %s with keys %v", len(r.asked), took, r.keys)
				}
			})
		})
	}
}

// TestSendEnds with its context, and sends nothing that a guess could have signed.
func TestSendEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t, codes: []int{0}, keys: map[string]bool{}}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		began := time.Now()
		s := &Sender{URL: "https://crm/notices", Secret: secret, Via: r}
		if err := s.Send(ctx, rendered(t, Text, facts())); err == nil || len(r.asked) != 2 || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("%v after %d tries", err, len(r.asked))
		}
		s.Secret = secret[1:]
		if err := s.Send(t.Context(), rendered(t, Text, facts())); !fault.Is(err, fault.Invalid) || len(r.asked) != 2 {
			t.Errorf("with a short secret: %v", err)
		}
	})
}
