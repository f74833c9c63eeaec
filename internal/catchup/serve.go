// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/store"
)

// offer opens a checkpoint for a peer: the newest, or the newest that stays. One who asks anew gives up what it read.
func (s *Server) offer(from chain.ValidatorNo, m Ask) Message {
	if s.session.number != 0 && s.session.peer != from && time.Since(s.session.heard) < sessionIdle {
		return s.refuse(0, Busy)
	}
	s.end()
	found, _ := checkpoint.Find(s.cfg.Dir, s.cfg.FS, s.cfg.Chain) // what cannot be read is being written, or was reported
	for _, steady := range []bool{true, false} {
		if steady && !m.Steady {
			continue
		}
		for _, c := range found {
			if c.Meta.Height < m.Least || steady && !c.IsAnchor() {
				continue
			}
			if o := s.open(from, c); o != nil {
				return o
			}
		}
	}
	return s.refuse(0, Nothing)
}

// open begins a session; nil if the checkpoint cannot be offered.
func (s *Server) open(from chain.ValidatorNo, c checkpoint.Candidate) Message {
	o, err := offerOf(s.cfg.Store, c.Meta)
	if err != nil {
		if !fault.Is(err, fault.NotFound) {
			s.cfg.Logger.Warn("a checkpoint is not offered", obs.KeyHeight, uint64(c.Meta.Height), obs.Err(err))
		}
		return nil
	}
	file, err := checkpoint.OpenReader(s.cfg.Dir, s.cfg.FS, c.Name)
	if err != nil {
		return nil // overwritten meanwhile
	}
	if file.Meta().Root != c.Meta.Root || file.Meta().Height != c.Meta.Height {
		_ = file.Close() // it was only read
		return nil
	}
	s.last++
	s.session = session{number: s.last, peer: from, file: file, heard: time.Now()}
	o.Session, o.Sections = s.last, file.Sections()
	s.cfg.Logger.Info("a validator takes a state from here", obs.KeyPeer, from, obs.KeyHeight, uint64(c.Meta.Height))
	s.metrics.offers.Inc()
	return o
}

// beginning is the offer of the state that an epoch begins with: NotFound if the checkpoint is not of such a state.
func beginning(s store.Reader, m checkpoint.Meta) (*Offer, error) {
	p, err := store.ReadBeginning(s, m.Height, m.Root)
	if err != nil {
		return nil, err
	}
	o := &Offer{}
	o.Headers[0] = p.HeaderBytes
	if p.Certificate != nil {
		o.Certificate = codec.AppendCertificate(nil, p.Certificate)
	}
	o.Proposal, err = store.ReadProposal(s, m.Height)
	return o, err
}

// offerOf is what shows that a checkpoint's root is certified: NotFound while it is not.
func offerOf(s store.Reader, m checkpoint.Meta) (*Offer, error) {
	o, err := beginning(s, m)
	if !fault.Is(err, fault.NotFound) {
		return o, err
	}
	o = &Offer{}
	for i := range o.Headers {
		if o.Headers[i], err = store.ReadHeader(s, m.Height+chain.Height(i)); err != nil {
			return nil, err
		}
	}
	if o.Certificate, err = store.ReadCertificate(s, m.Height); err != nil {
		return nil, err
	}
	if o.RootCertificate, err = store.ReadCertificate(s, m.Height+chain.RootDelay); err != nil {
		return nil, err
	}
	if o.Proposal, err = store.ReadProposal(s, m.Height); err != nil {
		return nil, err
	}
	last, err := codec.DecodeHeader(o.Headers[chain.RootDelay])
	if err != nil {
		return nil, err
	}
	if last.RootAt != m.Height || last.StateRoot != m.Root {
		return nil, fault.New(fault.NotFound, "no certified header carries the root of checkpoint %d", m.Height)
	}
	return o, nil
}
