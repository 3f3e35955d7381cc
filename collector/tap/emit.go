package tap

import (
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

// emit encodes an event made of a line. An event that is too long with its context around
// the message, or that cannot be encoded for what was taken over from its request, is cut
// down until it can.
func (o *observer) emit(e *event.Event, l line) {
	n := len(o.out)
	if o.encode(e) {
		return
	}
	if e.Request != nil && e.Request.Arguments != nil {
		request := *e.Request
		request.Arguments = nil
		e.Request = &request
		e.Mark("request_arguments_dropped")
		if o.encode(e) {
			return
		}
	}
	if e.Message != nil && l.size > 2*rawEnd {
		o.truncate(e, l, "truncated:message")
		if o.encode(e) {
			return
		}
	}
	o.out = o.out[:n]
	o.counters.faultLost.Add(1)
	o.log.Error().Str("event", e.ID).Msg("an event could not be encoded")
	o.gaps.add(o.faulty(l))
}

// encode adds the event's record to out; it reports false and leaves out as it was if the
// event is too long or cannot be encoded.
func (o *observer) encode(e *event.Event) bool {
	n := len(o.out)
	out, err := o.written(e)
	if err != nil || len(out)-n > maxEvent {
		o.out = o.out[:n]
		return false
	}
	o.out = append(out, '\n')
	o.counters.events.Add(1)
	if o.unsaved.first == 0 {
		o.unsaved = gap{reason: GapDisk, instance: o.instance, first: e.Source.Sequence}
	}
	o.unsaved.last = e.Source.Sequence
	o.unsaved.events++
	o.unsaved.bytes = uint64(len(o.out))
	if len(o.out) > flushBytes {
		o.save()
	}
	return true
}

// unseen declares bytes that were never observed.
func (o *observer) unseen(in scene, at time.Time, bytes uint64) {
	o.counters.queueLost.Add(bytes)
	o.log.Warn().Uint64("bytes", bytes).Msg("bytes were not observed: too many at once")
	e := o.event(at)
	in.set(&e)
	o.declare(&e, gap{reason: GapQueueFull, bytes: bytes})
}

// written is out with the event's JSON behind it, secrets taken out.
func (o *observer) written(e *event.Event) ([]byte, error) {
	if o.redactor == nil {
		return event.Encode(o.out, e)
	}
	out, _, err := o.redactor.Encode(o.out, e)
	return out, err
}

// declare makes e the event of a gap.
func (o *observer) declare(e *event.Event, g gap) {
	e.Mark(gapMark)
	e.Extra = g.extra()
	o.counters.gaps.Add(1)
	o.encode(e)
}

// flush writes what there is, then declares what was lost. A gap whose own event cannot be
// written waits for the next flush, grown by that event's number.
func (o *observer) flush() {
	for _, g := range o.store.takeGaps() {
		o.gaps.add(g)
	}
	if !o.save() || len(o.gaps) == 0 {
		return
	}
	declared := o.gaps
	o.gaps = nil
	for _, g := range declared {
		e := o.event(o.now())
		o.declare(&e, g)
	}
	if !o.save() {
		late := o.gaps
		o.gaps = declared
		for _, g := range late {
			o.gaps.add(g)
		}
	}
}

// save appends the records to the spool. What cannot be written becomes a gap; then save
// reports false.
func (o *observer) save() bool {
	if len(o.out) == 0 {
		return true
	}
	err := o.store.append(o.out)
	lost := o.unsaved
	o.out, o.unsaved = o.out[:0], gap{}
	if cap(o.out) > 4*flushBytes {
		o.out = nil // a long event's memory is not held for the short ones to come
	}
	if err != nil {
		if !o.failing {
			o.log.Warn().Err(err).Msg("the spool cannot be written; events are lost")
		}
		o.failing = true
		o.counters.diskLost.Add(lost.events)
		o.gaps.add(lost)
		return false
	}
	if o.failing {
		o.log.Info().Msg("the spool can be written again")
	}
	o.failing = false
	o.appended()
	return true
}
