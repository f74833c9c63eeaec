// SPDX-License-Identifier: Apache-2.0

package tamper

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Bounds of a call.
const (
	ScanRowsMax  = 65_536
	bodyBytesMax = 8 << 20
	callMax      = time.Minute
	closeMax     = 5 * time.Second
)

// Listen makes the socket. Refused: others than its owner may enter its folder.
func Listen(path string) (net.Listener, error) {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the folder of the test socket")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.Reasoned(fault.Refused, "socket_folder_open", "%s can be entered by others: a test socket needs a folder of mode 0700", filepath.Dir(path))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a process that was killed
		return nil, fault.Wrap(fault.Unavailable, err, "make the test socket")
	}
	l, err := net.Listen("unix", path)
	return l, fault.Wrap(fault.Unavailable, err, "make the test socket")
}

// unlogged is a store that can change rows without its log.
type unlogged interface {
	WriteUnlogged(b *store.Batch) error
}

// Serve answers calls until ctx ends.
func Serve(ctx context.Context, l net.Listener, s store.Store) error {
	server := &http.Server{Handler: handler(s), ReadTimeout: callMax, WriteTimeout: callMax}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fault.Wrap(fault.Unavailable, err, "serve the test socket")
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeMax)
	defer cancel()
	err := server.Shutdown(closing)
	<-ended
	return fault.Wrap(fault.Unavailable, err, "close the test socket")
}

func handler(s store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /scan", func(w http.ResponseWriter, r *http.Request) {
		var q scanCall
		if read(w, r, &q) {
			rows, err := scan(s, &q)
			answer(w, map[string]any{"rows": rows}, err)
		}
	})
	mux.HandleFunc("POST /write", func(w http.ResponseWriter, r *http.Request) {
		var q writeCall
		if read(w, r, &q) {
			answer(w, struct{}{}, write(s, &q))
		}
	})
	return mux
}

type scanCall struct {
	Family store.Family `json:"family"`
	Low    []byte       `json:"low"`
	High   []byte       `json:"high"`
	Limit  int          `json:"limit"`
}

type row struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

type writeCall struct {
	Ops []struct {
		Family store.Family `json:"family"`
		Key    []byte       `json:"key"`
		Value  []byte       `json:"value"`
		Delete bool         `json:"delete"`
	} `json:"ops"`
}

func scan(s store.Store, q *scanCall) (rows []row, err error) {
	if q.Limit < 1 || q.Limit > ScanRowsMax || int(q.Family) >= len(store.Families()) {
		return nil, fault.New(fault.Invalid, "limit is 1 to %d, family below %d", ScanRowsMax, len(store.Families()))
	}
	it, err := s.Iter(q.Family, store.Range{Low: q.Low, High: q.High})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	rows = []row{}
	for len(rows) < q.Limit && it.Next() {
		rows = append(rows, row{append([]byte{}, it.Key()...), append([]byte{}, it.Value()...)})
	}
	return rows, it.Err()
}

func write(s store.Store, q *writeCall) error {
	u, can := s.(unlogged)
	if !can {
		return fault.Reasoned(fault.Refused, "every_write_logged", "this store logs every write: take another one to plant damage in")
	}
	var b store.Batch
	for _, op := range q.Ops {
		if op.Delete {
			b.Delete(op.Family, op.Key)
		} else {
			b.Put(op.Family, op.Key, op.Value)
		}
	}
	return u.WriteUnlogged(&b)
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	in.DisallowUnknownFields()
	err := in.Decode(into)
	if err != nil {
		answer(w, nil, fault.Wrap(fault.Invalid, err, "read the call"))
	}
	return err == nil
}

func answer(w http.ResponseWriter, with any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		with = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(with) // who left gets none
}
