// SPDX-License-Identifier: Apache-2.0

package cometbft

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// answerMax bounds what is read of an answer.
const answerMax = 16 << 20

// rpc is the JSON-RPC interface of one validator.
type rpc struct {
	url  string
	http *http.Client
}

type call struct {
	Version string         `json:"jsonrpc"`
	ID      int            `json:"id"`
	Method  string         `json:"method"`
	Params  map[string]any `json:"params"`
}

type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
		Data    string `json:"data"`
	} `json:"error"`
}

func (r rpc) post(ctx context.Context, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if text, err = io.ReadAll(io.LimitReader(response.Body, answerMax)); err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s answers %s, %.200q: %w", r.url, response.Status, text, err)
	}
	return nil
}

func (r rpc) ask(ctx context.Context, method string, params map[string]any, into any) error {
	var a answer
	if err := r.post(ctx, call{"2.0", 1, method, params}, &a); err != nil {
		return err
	}
	if a.Error != nil {
		return fmt.Errorf("%s: %s %s", method, a.Error.Message, a.Error.Data)
	}
	return json.Unmarshal(a.Result, into)
}

// broadcast offers transactions in one request; a reason for each that was refused, "" for an accepted one.
func (r rpc) broadcast(ctx context.Context, txs [][]byte) ([]string, error) {
	calls := make([]call, len(txs))
	for i, tx := range txs {
		calls[i] = call{"2.0", i + 1, "broadcast_tx_sync", map[string]any{"tx": tx}}
	}
	var answers []answer
	if err := r.post(ctx, calls, &answers); err != nil {
		return nil, err
	}
	if len(answers) != len(txs) {
		return nil, fmt.Errorf("%d answers to %d transactions", len(answers), len(txs))
	}
	reasons := make([]string, len(txs))
	for i, a := range answers {
		reasons[i] = a.refusal()
	}
	return reasons, nil
}

func (a answer) refusal() string {
	if a.Error != nil {
		return strings.TrimSpace(a.Error.Message + " " + a.Error.Data)
	}
	var checked struct {
		Code int    `json:"code"`
		Log  string `json:"log"`
	}
	if err := json.Unmarshal(a.Result, &checked); err != nil {
		return "answer not understood"
	}
	if checked.Code != 0 {
		return fmt.Sprintf("code %d %s", checked.Code, checked.Log)
	}
	return ""
}

// metas is the answer of "blockchain": newest block first, twenty at most.
type metas struct {
	Blocks []struct {
		Header struct {
			Height number `json:"height"`
		} `json:"header"`
		Txs number `json:"num_txs"`
	} `json:"block_metas"`
}

// number is an integer that JSON carries as a string.
type number int64

// UnmarshalJSON reads the string.
func (n *number) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	v, err := strconv.ParseInt(s, 10, 64)
	*n = number(v)
	return err
}

// committed counts the transactions of the blocks above height, up to twenty of them, and gives the new height.
func (r rpc) committed(ctx context.Context, height int64) (int, int64, error) {
	var status struct {
		Sync struct {
			Height number `json:"latest_block_height"`
		} `json:"sync_info"`
	}
	if err := r.ask(ctx, "status", nil, &status); err != nil {
		return 0, height, err
	}
	newest := min(int64(status.Sync.Height), height+20)
	if newest <= height {
		return 0, height, nil
	}
	var m metas
	params := map[string]any{"minHeight": strconv.FormatInt(height+1, 10), "maxHeight": strconv.FormatInt(newest, 10)}
	if err := r.ask(ctx, "blockchain", params, &m); err != nil {
		return 0, height, err
	}
	txs, err := m.count(height, newest)
	return txs, newest, err
}

// count adds the transactions of blocks height+1 to newest, all of which must be there.
func (m metas) count(height, newest int64) (int, error) {
	if int64(len(m.Blocks)) != newest-height {
		return 0, fmt.Errorf("%d blocks above %d, wanted up to %d", len(m.Blocks), height, newest)
	}
	txs := 0
	for i, b := range m.Blocks {
		if int64(b.Header.Height) != newest-int64(i) {
			return 0, fmt.Errorf("block %d where %d was wanted", b.Header.Height, newest-int64(i))
		}
		txs += int(b.Txs)
	}
	return txs, nil
}
