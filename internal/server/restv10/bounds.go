// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of connections. Who is slower than a timeout is cut off; beyond Config.ConnectionsMax new ones wait in the kernel's queue.
const (
	headerBytesMax = 16 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 30 * time.Second // a request with its body
	writeTimeout   = 60 * time.Second
	idleTimeout    = 75 * time.Second
	bodiesBytesMax = 256 << 20        // of all bodies in memory
	bodyPartBytes  = 64 << 10         // a body is read and counted in such parts: only what came takes memory
	partTimeout    = 5 * time.Second  // for each part
	lineTimeout    = 30 * time.Second // the next line of a stream, or taking an answer
)

// Bounds of lists that the table does not give.
const (
	assetsListedMax  = 4096 // every asset
	hoursMax         = 24
	queryBytesMax    = 8 << 10
	linesTogether    = 1024 // lines that are read already share a submission
	wavesMax         = 8    // submissions of one batch whose payers its own payments open
	latenciesKept    = 1024 // newest payments of which latencies are known
	tpsWindowSeconds = 10
)

// limits lists every bound with its unit, for clients.
func (s *Server) limits() []v10.Limit {
	return []v10.Limit{
		{Name: "body_bytes_max", Value: v10.BodyBytesMax, Unit: "bytes"},
		{Name: "batch_bytes_max", Value: v10.BatchBytesMax, Unit: "bytes"},
		{Name: "bodies_bytes_max", Value: bodiesBytesMax, Unit: "bytes"},
		{Name: "batch_transactions_max", Value: v10.BatchItemsMax, Unit: "transactions"},
		{Name: "line_bytes_max", Value: v10.LineBytesMax, Unit: "bytes"},
		{Name: "stream_lines_max", Value: v10.StreamLinesMax, Unit: "lines"},
		{Name: "list_max", Value: v10.ListMax, Unit: "items"},
		{Name: "assets_listed_max", Value: assetsListedMax, Unit: "assets"},
		{Name: "name_bytes_max", Value: v10.NameBytesMax, Unit: "bytes"},
		{Name: "path_bytes_max", Value: v10.PathBytesMax, Unit: "bytes"},
		{Name: "query_bytes_max", Value: queryBytesMax, Unit: "bytes"},
		{Name: "header_bytes_max", Value: headerBytesMax, Unit: "bytes"},
		{Name: "idempotency_key_bytes_max", Value: v10.KeyBytesMax, Unit: "bytes"},
		{Name: "connections_max", Value: uint64(s.cfg.ConnectionsMax), Unit: "connections"},
		{Name: "requests_in_flight_max", Value: uint64(s.cfg.InFlightMax), Unit: "requests"},
		{Name: "streams_max", Value: uint64(s.cfg.StreamsMax), Unit: "streams"},
		{Name: "sockets_max", Value: uint64(s.cfg.SocketsMax), Unit: "sockets"},
		{Name: "socket_message_bytes_max", Value: socketMessageBytesMax, Unit: "bytes"},
		{Name: "socket_accounts_max", Value: socketAccountsMax, Unit: "accounts"},
		{Name: "header_timeout", Value: uint64(headerTimeout.Seconds()), Unit: "seconds"},
		{Name: "body_part_bytes", Value: bodyPartBytes, Unit: "bytes"},
		{Name: "body_part_timeout", Value: uint64(partTimeout.Seconds()), Unit: "seconds"},
		{Name: "read_timeout", Value: uint64(readTimeout.Seconds()), Unit: "seconds"},
		{Name: "vizor_names_max", Value: v10.VizorNamesMax, Unit: "metrics"},
		{Name: "vizor_samples_max", Value: v10.VizorSamplesMax, Unit: "samples"},
	}
}
