// SPDX-License-Identifier: Apache-2.0

package notice

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of sending.
const (
	TriesMax       = 4
	SecretBytesMin = 16
	tryMax         = 10 * time.Second
	pauseFirst     = time.Second // before the second try; twice that before the next
	answerBytesMax = 64 << 10
)

// Headers of a notice.
const (
	KeyHeader       = "Idempotency-Key"
	SignatureHeader = "X-Aurigraph-Signature"
)

// Reasons why a notice did not arrive.
const (
	ReasonRefused = "notice_refused" // Refused
	ReasonUnsent  = "notice_unsent"  // Unavailable
)

// Sender posts notices to who passes them on.
type Sender struct {
	URL    string
	Secret []byte
	Via    http.RoundTripper // nil: the default one
}

// Send posts a notice. Refused: the receiver does not take it. Unavailable: it did not answer that it has it, however often it was asked.
func (s *Sender) Send(ctx context.Context, n *Notice) error {
	if len(s.Secret) < SecretBytesMin {
		return fault.New(fault.Invalid, "the secret of the webhook has %d bytes, at least %d", len(s.Secret), SecretBytesMin)
	}
	body, err := json.Marshal(n)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode a notice")
	}
	for try, pause := 1, pauseFirst; ; try, pause = try+1, 2*pause {
		err := s.post(ctx, n.ID, body)
		if err == nil || fault.Is(err, fault.Refused) || ctx.Err() != nil || try == TriesMax {
			return err
		}
		if !wait(ctx, pause) {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// post makes one try.
func (s *Sender) post(ctx context.Context, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, tryMax)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the webhook's address")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(KeyHeader, id)
	r.Header.Set(SignatureHeader, Signed(s.Secret, time.Now(), body))
	c := http.Client{Transport: s.Via, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := c.Do(r)
	if err != nil {
		return fault.Reasoned(fault.Unavailable, ReasonUnsent, "the webhook does not take notices: %v", err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax)) // the status says it all
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		return fault.Reasoned(fault.Unavailable, ReasonUnsent, "the webhook answered %d: %s", code, plain(string(text)))
	default:
		return fault.Reasoned(fault.Refused, ReasonRefused, "the webhook answered %d: %s", code, plain(string(text)))
	}
}

// Signed is the header that shows who sent a body, and when: t=SECONDS,v1=HEX, an HMAC-SHA-256 of the seconds, a dot and the body.
func Signed(secret []byte, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	seconds := at.Unix()
	fmt.Fprintf(mac, "%d.", seconds)
	mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", seconds, hex.EncodeToString(mac.Sum(nil)))
}
