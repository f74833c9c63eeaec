// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of Vizor's store of metrics: the server's own samples and what clients record. The oldest sample goes first.
const (
	VizorNamesMax     = 256 // of metrics
	VizorSamplesMax   = 100 // of one metric
	VizorNameBytesMax = 128
	VizorTagsMax      = 16
)

// Dashboard is one of the three fixed ones.
type Dashboard struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	RefreshInterval int      `json:"refreshInterval"` // ms
	Widgets         []Widget `json:"widgets"`
}

// Widget shows a metric.
type Widget struct {
	ID       string         `json:"id"`
	Type     string         `json:"type"` // line, bar, gauge, table or heatmap
	Title    string         `json:"title"`
	Query    string         `json:"query"` // name of the metric
	Position WidgetPosition `json:"position"`
}

// WidgetPosition is in a grid of 12 columns.
type WidgetPosition struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// DashboardList is all of them.
type DashboardList struct {
	Dashboards []Dashboard `json:"dashboards"`
	Total      int         `json:"total"`
}

// The metrics that a server samples about itself, every VizorSampleMs.
const (
	MetricTPS         = "tps"
	MetricLatency     = "latency"
	MetricRounds      = "consensus_rounds"
	MetricValidators  = "validators"
	MetricBlockHeight = "block_height"
	MetricChannelTxs  = "channel_transactions"
	VizorSampleMs     = 5000
)

// Dashboards are V10's three, over metrics that exist.
func Dashboards() []Dashboard {
	widget := func(id, kind, title, query string, n int) Widget {
		return Widget{id, kind, title, query, WidgetPosition{X: n % 2 * 6, Y: n / 2 * 4, W: 6, H: 4}}
	}
	return []Dashboard{
		{"platform-overview", "AV11-7 Platform Overview", 5000, []Widget{
			widget("tps-chart", "line", "Transactions per second", MetricTPS, 0),
			widget("latency-chart", "line", "Latency", MetricLatency, 1),
			widget("validator-gauge", "gauge", "Validators", MetricValidators, 2),
		}},
		{"consensus-monitoring", "HyperRAFT Consensus Monitoring", 2000, []Widget{
			widget("consensus-rounds", "line", "Consensus rounds", MetricRounds, 0),
			widget("block-height", "line", "Block height", MetricBlockHeight, 1),
		}},
		{"channel-monitoring", "Channel Monitoring", 3000, []Widget{
			widget("channel-transactions", "bar", "Channel transactions", MetricChannelTxs, 0),
		}},
	}
}

// WidgetData is the samples behind a widget.
type WidgetData struct {
	Widget string         `json:"widget"`
	Type   string         `json:"type"`
	Data   []MetricSample `json:"data"`
}

// MetricSample is one sample of a metric.
type MetricSample struct {
	Timestamp Time              `json:"timestamp"`
	Value     float64           `json:"value"`
	Tags      map[string]string `json:"tags"`
}

// MetricRow is one sample in the answer of a query.
type MetricRow struct {
	Name      string            `json:"name"`
	Timestamp Time              `json:"timestamp"`
	Value     float64           `json:"value"`
	Tags      map[string]string `json:"tags"`
	Type      string            `json:"type"`
}

// MetricList is the answer of /api/v10/vizor/metrics/query.
type MetricList struct {
	Metrics []MetricRow `json:"metrics"`
	Count   int         `json:"count"`
}

// RecordMetric keeps a sample of a client's metric, in memory.
type RecordMetric struct {
	Name  string            `json:"name"`
	Value *float64          `json:"value"`
	Tags  map[string]string `json:"tags,omitempty"`
	Type  string            `json:"type,omitempty"` // counter, gauge (the default), histogram or summary
}

// Check says whether r can be kept.
func (r *RecordMetric) Check() error {
	switch {
	case r.Name == "" || len(r.Name) > VizorNameBytesMax || !utf8.ValidString(r.Name):
		return fault.Reasoned(fault.Invalid, "metric_name", "name must have 1 to %d bytes", VizorNameBytesMax)
	case r.Value == nil:
		return fault.Reasoned(fault.Invalid, "metric_value", "value is required")
	case len(r.Tags) > VizorTagsMax:
		return fault.Reasoned(fault.Invalid, "metric_tags", "tags holds more than %d", VizorTagsMax)
	}
	for k, v := range r.Tags {
		if len(k) > VizorNameBytesMax || len(v) > VizorNameBytesMax {
			return fault.Reasoned(fault.Invalid, "metric_tags", "a tag is longer than %d bytes", VizorNameBytesMax)
		}
	}
	switch r.Type {
	case "", "counter", "gauge", "histogram", "summary":
		return nil
	}
	return fault.Reasoned(fault.Invalid, "metric_type", "type must be counter, gauge, histogram or summary")
}

// Recorded is the answer.
type Recorded struct {
	Success  bool `json:"success"`
	Recorded bool `json:"recorded"`
}

// VizorReport sums up the samples of a dashboard's widgets.
type VizorReport struct {
	Dashboard string             `json:"dashboard"`
	Name      string             `json:"name"`
	TimeRange TimeRange          `json:"timeRange"`
	Widgets   []VizorReportEntry `json:"widgets"`
	Generated Time               `json:"generated"`
}

// TimeRange is a span of time.
type TimeRange struct {
	Start Time `json:"start"`
	End   Time `json:"end"`
}

// VizorReportEntry is one widget's figures; all 0 without samples. It is a line of the CSV as well.
type VizorReportEntry struct {
	Widget     string  `json:"widget"`
	Type       string  `json:"type"`
	DataPoints int     `json:"dataPoints"`
	Min        float64 `json:"min"`
	Max        float64 `json:"max"`
	Average    float64 `json:"average"`
	Latest     float64 `json:"latest"`
}

// VizorReportHeader is the first line of a report as CSV.
const VizorReportHeader = "Widget,Type,DataPoints,Min,Max,Average,Latest"

// VizorNow is the answer of /api/v10/vizor/performance/realtime.
type VizorNow struct {
	Timestamp           Time    `json:"timestamp"`
	TPS                 float64 `json:"tps"`
	Latency             float64 `json:"latency"` // ms
	QuantumOperations   uint64  `json:"quantumOperations"`
	ConsensusRounds     uint64  `json:"consensusRounds"`
	ChannelTransactions uint64  `json:"channelTransactions"`
	ValidatorCount      int     `json:"validatorCount"`
	ChannelCount        int     `json:"channelCount"`
}

// VizorHistory is up to VizorSamplesMax samples, oldest first.
type VizorHistory struct {
	TimeRange TimeRange  `json:"timeRange"`
	Metrics   []VizorNow `json:"metrics"`
}

// VizorValidators is the answer of /api/v10/vizor/validators.
type VizorValidators struct {
	Validators   []VizorValidator    `json:"validators"`
	Channels     []VizorChannelEntry `json:"channels"`
	ActiveRounds uint64              `json:"activeRounds"`
	TotalStake   uint64              `json:"totalStake"`
}

// VizorValidator is one validator.
type VizorValidator struct {
	ID     string               `json:"id"`
	Status VizorValidatorStatus `json:"status"`
}

// VizorValidatorStatus is its condition. Uptime is in s and known of the server itself only.
type VizorValidatorStatus struct {
	NodeID         string   `json:"nodeId"`
	Stake          uint64   `json:"stake"`
	Channels       []string `json:"channels"`
	QueueSize      int      `json:"queueSize"`
	ConsensusState string   `json:"consensusState"`
	IsLeader       bool     `json:"isLeader"`
	Uptime         uint64   `json:"uptime"`
}

// VizorChannelEntry is a channel in a list. Users are accounts.
type VizorChannelEntry struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	UserCount      uint64 `json:"userCount"`
	ValidatorCount int    `json:"validatorCount"`
	MaxThroughput  uint64 `json:"maxThroughput"`
}

// VizorChannelList is all of them.
type VizorChannelList struct {
	Channels []VizorChannelEntry `json:"channels"`
	Total    int                 `json:"total"`
}

// VizorChannel is one channel. Users stays empty: accounts are no secret, but there may be millions.
type VizorChannel struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	UserCount      uint64   `json:"userCount"`
	ValidatorCount int      `json:"validatorCount"`
	MaxThroughput  uint64   `json:"maxThroughput"`
	QueuedMessages int      `json:"queuedMessages"`
	Created        Time     `json:"created"` // of the first block
	Users          []string `json:"users"`
	Validators     []string `json:"validators"`
}

// VizorRounds is the answer of /api/v10/vizor/consensus/rounds.
type VizorRounds struct {
	ActiveRounds uint64 `json:"activeRounds"` // blocks decided and not yet certified
	TotalStake   uint64 `json:"totalStake"`
	Validators   int    `json:"validators"`
}
