// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// A damaged segment of the lane is repaired while the node opens, before anything reads the lane:
//
//	1 damage is found: at open, by a read, by the scrub    | a mark is written, and the folder is opened (again)
//	2 with a mark, the lane is read whole; what is lost is fetched from the others, and segments are written anew
//	3 nothing is damaged any more: the mark goes
//
// What cannot be repaired leaves the mark, and the node opens if it can without; the next start tries again.

// RepairMark is a file of the data folder: the lane is to be repaired. It holds what was found.
const RepairMark = "repair-wanted"

// repairAgainAfter is how long after a repair a node does not open its folder again by itself for another one: a disk or a
// memory that shows damage once and hides it then must not keep the node from its work.
const repairAgainAfter = time.Hour

// repair is what a node knows of damage in its lane.
type repair struct {
	metrics *repairMetrics
	tried   time.Time // when this opening of the folder began a repair; zero: there was no mark

	mu   sync.Mutex
	seen bool // damage was found since the folder was opened, and the mark written
}

type repairMetrics struct {
	scrubbed prometheus.Counter
	damaged  *prometheus.CounterVec
	segments prometheus.Counter
	records  prometheus.Counter
	refused  *prometheus.CounterVec
	unhealed *prometheus.CounterVec
}

func newRepairMetrics(r prometheus.Registerer) (*repairMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_repair_" + name, Help: help})
	}
	by := func(label, name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "aurigraph_repair_" + name, Help: help}, []string{label})
	}
	m := &repairMetrics{
		scrubbed: counter("scrubbed_bytes_total", "Bytes of the lane read to look for damage, by the scrub and by repairs."),
		damaged:  by("found", "damage_total", "Times that damage of the lane was found, by what found it."),
		segments: counter("segments_total", "Segments of the lane made whole again."),
		records:  counter("records_total", "Records of the lane fetched from other validators and written back."),
		refused:  by("reason", "refused_answers_total", "Answers of other validators that were not what was asked for, by reason."),
		unhealed: by("reason", "unrepairable_total", "Segments of the lane that stay damaged, by reason."),
	}
	_, err := obs.Register(r, "the repair", m.scrubbed, m.damaged, m.segments, m.records, m.refused, m.unhealed)
	return m, err
}

// openRepair repairs the lane if a mark says so.
func (n *Node) openRepair(ctx context.Context) (err error) {
	if n.repair.metrics, err = newRepairMetrics(n.metrics); err != nil {
		return err
	}
	found, err := os.ReadFile(n.cfg.Data(RepairMark))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read %s", n.cfg.Data(RepairMark))
	}
	n.log.Warn("the lane is read whole and repaired before it is used", obs.KeyReason, string(found))
	n.repair.tried = time.Now()
	return n.heal(ctx)
}

// heal repairs the lane from the others. A validator alone learns what is damaged, or that nothing is.
func (n *Node) heal(ctx context.Context) error {
	known, err := n.knownLane()
	if err != nil {
		return err
	}
	cfg := lane.HealConfig{
		Dir: n.cfg.Data("lane"), Known: known, Peers: n.others(), Executed: n.executedIn, Lines: n.linesOf, Patience: repairPatience, Logger: n.log,
	}
	cfg.Agree = len(cfg.Peers)/3 + 1
	if n.several() {
		links, err := n.openRepairLinks()
		if err != nil {
			return err
		}
		defer links.close()
		cfg.Ask = links.ask
	}
	done, err := lane.Heal(ctx, cfg)
	m := n.repair.metrics
	m.scrubbed.Add(float64(done.Bytes))
	m.damaged.WithLabelValues(foundByRepair).Add(float64(done.Damaged))
	m.segments.Add(float64(done.Segments))
	m.records.Add(float64(done.Records))
	for reason, count := range done.Refused {
		m.refused.WithLabelValues(reason).Add(float64(count))
	}
	for _, u := range done.Unhealed {
		m.unhealed.WithLabelValues(u.Reason).Inc()
	}
	if err != nil || len(done.Unhealed) > 0 {
		return err
	}
	n.log.Info("the lane is whole", "damaged", done.Damaged, obs.KeyCount, done.Records, obs.KeyBytes, done.Bytes)
	return n.removeMark()
}

// others lists the other validators, from the next number on.
func (n *Node) others() []chain.ValidatorNo {
	var after, before []chain.ValidatorNo
	for _, m := range n.newest().Membership().Members {
		switch {
		case m.No > n.self:
			after = append(after, m.No)
		case m.No < n.self:
			before = append(before, m.No)
		}
	}
	return append(after, before...)
}

// openAgain opens a folder once more, which repairs it, if err says that the lane is damaged and no repair was tried yet. It is
// called when opening failed and all is closed.
func (n *Node) openAgain(ctx context.Context, err error) (*Node, error) {
	if !n.isLaneDamage(err) {
		return nil, err
	}
	if !n.several() {
		return nil, errors.Join(err, fault.New(fault.Corrupt, "a validator alone has nobody to repair its lane from: restore the folder from a copy"))
	}
	if !n.repair.tried.IsZero() {
		return nil, errors.Join(err, fault.New(fault.Corrupt, "the lane could not be repaired from the others, as the log says: start it again when they run, or restore the folder from a copy"))
	}
	if markErr := n.writeMark(err); markErr != nil {
		return nil, errors.Join(err, markErr)
	}
	n.log.Error("the lane is damaged: the folder is opened again to repair it", obs.Err(err))
	return Open(ctx, n.cfg, n.log)
}

// isLaneDamage reports whether err says that bytes of the lane are not as they were written.
func (n *Node) isLaneDamage(err error) bool {
	path := seglog.DamagedFile(err)
	return path != "" && filepath.Dir(path) == n.cfg.Data("lane")
}

// errRepair ends Run: the folder is opened again, which repairs the lane.
var errRepair = fault.Wrap(fault.Unavailable, ErrRestart, "the lane is damaged and is repaired")

// noteDamage takes the error of a read of the lane, and marks the folder if it tells of damage. It reports whether the folder
// is to be opened again for a repair: among several, once, unless that was done a while ago.
func (n *Node) noteDamage(found string, err error) bool {
	if !n.isLaneDamage(err) {
		return false
	}
	n.repair.metrics.damaged.WithLabelValues(found).Inc()
	n.repair.mu.Lock()
	defer n.repair.mu.Unlock()
	if n.repair.seen {
		return false
	}
	n.repair.seen = true
	n.log.Error("the lane is damaged", obs.Err(err), "found", found)
	if markErr := n.writeMark(err); markErr != nil {
		n.log.Error("the damage cannot be noted for a repair", obs.Err(markErr))
		return false
	}
	return n.several() && time.Since(n.repair.tried) >= repairAgainAfter
}

// readDamage notes damage while the node runs.
func (n *Node) readDamage(found string, err error) {
	if n.noteDamage(found, err) {
		n.fail(errRepair)
	}
}

// ended takes the error with which Run ends. A writer that met damage did not write it, so nothing keeps the node from going
// on after a repair.
func (n *Node) ended(err error) error {
	if !errors.Is(err, ErrRestart) && n.noteDamage(foundByWriter, err) {
		return errRepair
	}
	return err
}

// Where damage was found.
const (
	foundByRepair = "repair" // all is read before a repair: segments are counted
	foundByRead   = "read"   // a reader asked for it
	foundByPeer   = "peer"   // another validator asked for it, or it was to be carried on
	foundByScrub  = "scrub"  // nobody asked for it
	foundByWriter = "writer" // it was to be executed
)

// sound passes on what a read of the lane gave, and notes damage.
func (n *Node) sound(payload []byte, err error) ([]byte, error) {
	n.readDamage(foundByRead, err)
	return payload, err
}

// damagedForPeer is told of what could not be read for a peer.
func (n *Node) damagedForPeer(err error) { n.readDamage(foundByPeer, err) }

// writeMark notes durably that the lane is damaged.
func (n *Node) writeMark(found error) error {
	path := n.cfg.Data(RepairMark)
	f, err := os.Create(path)
	if err == nil {
		_, err = f.WriteString(found.Error() + "\n")
		err = errors.Join(err, f.Sync(), f.Close(), n.syncData())
	}
	return fault.Wrap(fault.Unavailable, err, "write %s", path)
}

func (n *Node) removeMark() error {
	err := os.Remove(n.cfg.Data(RepairMark))
	if err == nil {
		err = n.syncData()
	}
	return fault.Wrap(fault.Unavailable, err, "remove %s", n.cfg.Data(RepairMark))
}

func (n *Node) syncData() error {
	d, err := os.Open(n.cfg.Data(""))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
