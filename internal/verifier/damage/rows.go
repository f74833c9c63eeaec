// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// V10's families, by their numbers in its formats.
const (
	accounts = iota
	transactions
	assets
	consensus
	meta
)

// Bounds of a call.
const (
	scanRows    = 32_768
	answerBytes = 256 << 20
	callMax     = time.Minute
)

// v10Row is a row of V10's.
type v10Row struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// v10Op changes a row of V10's.
type v10Op struct {
	Family int    `json:"family"`
	Key    []byte `json:"key"`
	Value  []byte `json:"value"`
	Delete bool   `json:"delete"`
}

// v10Rows reaches V10's rows over its test socket.
type v10Rows struct{ http *http.Client }

func newV10Rows(socket string) *v10Rows {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &v10Rows{&http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: callMax}}
}

func (v *v10Rows) close() { v.http.CloseIdleConnections() }

func (v *v10Rows) call(ctx context.Context, path string, with, into any) error {
	body, err := json.Marshal(with)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode a call")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://v10"+path, bytes.NewReader(body))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "make a call")
	}
	answer, err := v.http.Do(r)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "V10's test socket does not answer")
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytes))
	if err != nil || answer.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "V10's test socket refused: %s %.200s %v", answer.Status, text, err)
	}
	return fault.Wrap(fault.Corrupt, json.Unmarshal(text, into), "read V10's rows")
}

// scan reads the rows k with low <= k < high.
func (v *v10Rows) scan(ctx context.Context, family int, low, high []byte) (all []v10Row, err error) {
	for {
		var page struct {
			Rows []v10Row `json:"rows"`
		}
		if err := v.call(ctx, "/scan", map[string]any{"family": family, "low": low, "high": high, "limit": scanRows}, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Rows...)
		if len(page.Rows) < scanRows {
			return all, nil
		}
		low = append(bytes.Clone(page.Rows[len(page.Rows)-1].Key), 0)
	}
}

// get reads a row; nil: there is none.
func (v *v10Rows) get(ctx context.Context, family int, key []byte) (*v10Row, error) {
	all, err := v.scan(ctx, family, key, append(bytes.Clone(key), 0))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

func (v *v10Rows) write(ctx context.Context, ops []v10Op) error {
	return v.call(ctx, "/write", map[string]any{"ops": ops}, &struct{}{})
}
