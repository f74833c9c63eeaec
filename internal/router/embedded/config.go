// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Bounds.
const (
	UnderWayDefault    = 4096
	BodiesBytesDefault = 256 << 20
	ServersMax         = 64
	idleConnections    = 256              // kept to one server
	idleMax            = 4 * time.Second  // of a connection to a server: the side that closes is the one that does not write on it
	clientIdleMax      = 75 * time.Second // of a client's connection
	headerMax          = 10 * time.Second // until a request's headers are here
	bodyMax            = 30 * time.Second // until a gathered body is here
	answerMax          = 65 * time.Second // of a request that is no stream; the dialect's longest deadline is below it
	dialMax            = 3 * time.Second
	drainMax           = 5 * time.Second // what requests under way have when it ends
	headerBytesMax     = 64 << 10
)

// Config says where the sides are. A bound that is 0 takes its default.
type Config struct {
	Dir     string                // of the file that keeps the map; must exist
	V10     string                // URL of V10's guard
	V11     []string              // URLs of servers of V11 that mean the same
	Metrics prometheus.Registerer // nil: none
	Log     *slog.Logger          // nil: nothing is told

	// Told is called at the end of each request that was routed, by several at once; nil: nobody wants to know. It must not wait.
	Told func(*router.Outcome)
	// Shadow is called at the end of each read that was routed and is no stream, by several at once: with the path and query as the client wrote them, and its headers, of
	// which the router's id is one. It must not wait, and not change the headers. nil: nobody compares.
	Shadow func(method, requestURI string, h http.Header, way router.Way)

	UnderWayMax    int   // requests under way; default 4096
	BodiesBytesMax int64 // of gathered bodies in memory; default 256 MiB
}

// complete fills in defaults and reads the addresses of both sides.
func (c *Config) complete() (v10, v11 []*url.URL, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.UnderWayMax == 0 {
		c.UnderWayMax = UnderWayDefault
	}
	if c.BodiesBytesMax == 0 {
		c.BodiesBytesMax = BodiesBytesDefault
	}
	if c.Dir == "" || c.UnderWayMax < 1 || c.BodiesBytesMax < 1 || len(c.V11) == 0 || len(c.V11) > ServersMax {
		return nil, nil, fault.New(fault.Invalid, "router: a folder, 1 to %d servers of V11 and bounds above 0 are needed", ServersMax)
	}
	if v10, err = urls(c.V10); err != nil {
		return nil, nil, err
	}
	v11, err = urls(c.V11...)
	return v10, v11, err
}

func urls(texts ...string) ([]*url.URL, error) {
	out := make([]*url.URL, len(texts))
	for i, text := range texts {
		var err error
		if out[i], err = hop.CheckURL(text); err != nil {
			return nil, err
		}
	}
	return out, nil
}
