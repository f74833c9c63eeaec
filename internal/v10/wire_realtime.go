// SPDX-License-Identifier: Apache-2.0

package v10

// RealtimeIntervalMs is how often /api/v10/realtime sends a record, in ms; the first comes at once.
const RealtimeIntervalMs = 3000

// RealtimeRecord is one record of /api/v10/realtime (SSE).
type RealtimeRecord struct {
	Timestamp  Time    `json:"timestamp"`
	TPS        float64 `json:"tps"`
	Latency    float64 `json:"latency"` // ms
	Validators int     `json:"validators"`
	Channels   int     `json:"channels"`
	ZKProofs   uint64  `json:"zkProofs"`
	QuantumOps uint64  `json:"quantumOps"`
}
