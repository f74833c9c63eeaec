// SPDX-License-Identifier: Apache-2.0

package restv10

import "context"

// toHome has V10 make lines of a stream, by a stream of its own that lives as long as this one.
func (p *linePayer) toHome(ctx context.Context, l *several, places []int) {
	if p.home == nil {
		p.home = p.server.parts.Home.Numbered(p.server.homeRequest(p.request))
	}
	answers, err := p.home.Exchange(ctx, uint64(l.first), l.items, places)
	l.answered(places, answers, p.server.partError(err))
}

// hangUp ends the stream to V10.
func (p *linePayer) hangUp() {
	if p.home != nil {
		p.home.Close()
	}
}
