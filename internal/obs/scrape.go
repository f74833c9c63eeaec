// SPDX-License-Identifier: Apache-2.0

package obs

import (
	"context"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// ScrapeBytesMax bounds what a process may say of its metrics.
const ScrapeBytesMax = 8 << 20

// Scrape reads the metrics that a process shows at a URL, by their names. Unavailable: it does not show them; Corrupt: they cannot be read.
func Scrape(ctx context.Context, url string) (map[string]*dto.MetricFamily, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "metrics of %s", url)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read metrics")
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "read metrics: %s answers %s", url, answer.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(answer.Body, ScrapeBytesMax))
	return families, fault.Wrap(fault.Corrupt, err, "read metrics of %s", url)
}
