// SPDX-License-Identifier: Apache-2.0

package bus

import "github.com/twmb/franz-go/pkg/kgo"

// Client makes a plain client of the brokers, with the same security, for who reads the topics beside the sync. The caller closes it.
func (c *Config) Client(opts ...kgo.Opt) (*kgo.Client, error) { return c.connect(opts...) }
