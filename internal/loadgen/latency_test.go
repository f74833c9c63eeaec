// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"testing"
	"time"
)

func TestPercentiles(t *testing.T) {
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	even := make([]sample, 1000) // 1 to 1,000 ms, from the slowest on
	for i := range even {
		even[i] = sample{ms(float64(1000 - i)), 1}
	}
	for _, c := range []struct {
		name    string
		samples []sample
		want    Percentiles
	}{
		{"none", nil, Percentiles{}},
		{"one", []sample{{ms(7.5), 3}}, Percentiles{7.5, 7.5, 7.5}},
		{"a thousand", even, Percentiles{501, 991, 1000}},
		{"a heavy one outweighs many", []sample{{ms(1), 1}, {ms(2), 1}, {ms(90), 98}}, Percentiles{90, 90, 90}},
		{"a light one is an outlier", []sample{{ms(5), 9_990}, {ms(200), 10}}, Percentiles{5, 5, 200}},
		{"just at a hundredth", []sample{{ms(5), 98}, {ms(200), 2}}, Percentiles{5, 200, 200}},
		{"without legs", []sample{{ms(5), 0}}, Percentiles{}},
	} {
		if got := percentiles(c.samples); got != c.want {
			t.Errorf("%s: %+v, must be %+v", c.name, got, c.want)
		}
	}
}
