// SPDX-License-Identifier: Apache-2.0

package migration

// Times of V10's last days, in milliseconds.
const (
	noticeDayMs   = 24 * 3600 * 1000
	noticeAgainMs = 7 * noticeDayMs // who calls V10 after a notice has another one then
)

// NoticesAtOnce bounds the notices of one action: what they came to is in the journal before the next ones.
const NoticesAtOnce = 100

// Caller is who called V10 by its own door.
type Caller struct {
	Name   string // holds no credential
	LastMs uint64 // when the newest call came
}

// Due is a notice that is to be given.
type Due struct {
	Caller    string
	EarlierMs uint64 // when the one before was; 0: there was none
}

// Due are the notices that are to be given now, at most NoticesAtOnce: to whoever called V10 in its last days, and again each week in which it does.
func (s *State) Due(f *Facts) (due []Due) {
	if s.Phase != Decommission || s.Off != nil || s.Plan.Decommission.Webhook == "" {
		return nil
	}
	for _, c := range f.Callers {
		told, was := s.Told[c.Name]
		calls := c.LastMs >= s.SinceMs
		again := c.LastMs > told && f.NowMs >= told+noticeAgainMs
		if calls && (!was || again) && len(due) < NoticesAtOnce {
			due = append(due, Due{c.Name, told})
		}
	}
	return due
}

// EndMs is when the notice is over, as far as is known at a time.
func (s *State) EndMs(nowMs uint64) uint64 {
	since := s.SinceMs
	if s.Plan.Decommission.Webhook != "" {
		since = s.NoticeMs
		if since == 0 {
			since = nowMs
		}
	}
	return since + uint64(s.Plan.Decommission.NoticeDays)*noticeDayMs
}

// noticeGate counts the days from the first notice on, where notices are sent and somebody has one.
func (s *State) noticeGate(f *Facts) Gate {
	since, p := s.SinceMs, &s.Plan.Decommission
	switch {
	case p.Webhook == "":
	case s.NoticeMs != 0:
		since = s.NoticeMs
	case f.CallersWhy != "":
		return gate("notice", "nobody knows who calls V10: "+f.CallersWhy)
	case len(s.Due(f)) > 0:
		return gate("notice", "somebody calls V10, and nobody has notice yet")
	}
	days := (max(f.NowMs, since) - since) / noticeDayMs
	return gate("notice", unless(days >= uint64(p.NoticeDays), "%d days, of %d", days, p.NoticeDays))
}

// noticed takes in a notice. One that was refused is not given again before its week is over.
func (s *State) noticed(e *Entry) {
	if s.Told == nil {
		s.Told = map[string]uint64{}
	}
	s.Told[e.For] = e.AtMs
	if e.OK && s.NoticeMs == 0 {
		s.NoticeMs = e.AtMs
	}
	s.worked(Notify)
}
