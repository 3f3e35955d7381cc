package detector

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	events, repeats, malformed, again, evictedRequests, unjudged, absent prometheus.Counter
	failures, expired, truncated, undecodable, annotations               prometheus.Counter
	unjudgedRules, uninspected, lostStates, cut                          prometheus.Counter
	unread, unkeyed, late, forgotten, suppressed, excepted, superseded   prometheus.Counter

	observations, observationsAgain, observationsLate, observationsHurried prometheus.Counter

	keys, bytes *prometheus.GaugeVec
	evicted     *prometheus.CounterVec
	findings    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_detector_" + name, Help: help})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		events:          counter("events_total", "Events decided on, those read again after an assignment included."),
		repeats:         counter("repeated_events_total", "Events dropped because their id was known."),
		malformed:       counter("malformed_messages_total", "Events whose message is no JSON."),
		again:           counter("repeated_findings_total", "Findings dropped because their id was known."),
		evictedRequests: counter("evicted_requests_total", "Requests forgotten before their answer came."),
		unjudged:        counter("unjudged_definitions_total", "Definitions left out because one message had too many."),
		absent:          counter("absent_values_total", "Reads by rules of values that an event does not have."),
		failures:        counter("failures_total", "Failed attempts; each is tried again."),
		expired:         counter("expired_events_total", "Records that Kafka deleted before they were looked at."),
		truncated:       counter("truncated_records_total", "Records that Kafka lost after they had been looked at."),
		undecodable:     counter("undecodable_records_total", "Records that are no event or observation."),
		annotations:     counter("annotations_total", "Events restated with the request that they answer or with a mark."),
		unjudgedRules:   counter("unjudged_rules_total", "Conditions left out because an event met the needs of too many."),
		uninspected:     counter("uninspected_bytes_total", "Bytes of events that no text shows: of long texts the middle, and long names of members."),
		lostStates:      counter("lost_states_total", "Partitions whose checkpoint Kafka no longer had, or this version could not read."),
		unkeyed:         counter("unkeyed_events_total", "Events that met a rule's condition and had no value for its key."),
		unread:          counter("unread_memories_total", "Remembered events that could not be read back, or written."),
		late:            counter("late_events_total", "Events older than the window or step that they would have counted for."),
		cut:             counter("cut_searches_total", "Searches for a sequence that were ended by their bounds: there may be one that was not seen."),
		forgotten:       counter("forgotten_keys_total", "Keys, and events of a key, that rules forgot for want of room."),
		suppressed:      counter("suppressed_findings_total", "Findings held back because one like them came shortly before."),
		excepted:        counter("excepted_findings_total", "Findings that an exception hid."),
		superseded:      counter("superseded_observations_total", "Observations made by another version of their rule, and dropped."),

		observations:        counter("observations_total", "Observations sent to the second stage."),
		observationsAgain:   counter("repeated_observations_total", "Observations dropped because they were taken before."),
		observationsLate:    counter("late_observations_total", "Observations applied out of order, behind those that were hurried."),
		observationsHurried: counter("hurried_observations_total", "Observations applied before all partitions had come to their time, for want of room."),

		keys: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mcpwatch_detector_keys", Help: "Keys that a rule remembers, as of the last checkpoints.",
		}, []string{"rule"}),
		bytes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mcpwatch_detector_state_bytes", Help: "Bytes that a rule remembers, as of the last checkpoints.",
		}, []string{"rule"}),
		evicted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcpwatch_detector_evicted_keys_total", Help: "Keys that a rule forgot for want of room.",
		}, []string{"rule"}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcpwatch_detector_findings_total", Help: "Findings written, by severity.",
		}, []string{"severity"}),
	}
	r.MustRegister(m.findings, m.keys, m.bytes, m.evicted)
	return m
}

// kept moves what became of what rules remember since the last time into the metrics.
func (m *metrics) kept(now, last Kept) {
	m.unkeyed.Add(float64(now.Unkeyed - last.Unkeyed))
	m.late.Add(float64(now.Late - last.Late))
	m.cut.Add(float64(now.CutSearches - last.CutSearches))
	m.forgotten.Add(float64(now.Forgotten - last.Forgotten))
	m.suppressed.Add(float64(now.Suppressed - last.Suppressed))
	m.excepted.Add(float64(now.Excepted - last.Excepted))
	m.superseded.Add(float64(now.Superseded - last.Superseded))
	m.unread.Add(float64(now.Unread - last.Unread))
}

// remembered moves what each rule of a shard remembers into the metrics: last is what it remembered
// when this was called before.
func (m *metrics) remembered(now, last []RuleMemory) {
	for _, r := range last {
		m.keys.WithLabelValues(r.Rule).Sub(float64(r.Keys))
		m.bytes.WithLabelValues(r.Rule).Sub(float64(r.Bytes))
	}
	evicted := make(map[string]uint64, len(last))
	for _, r := range last {
		evicted[r.Rule] = r.Evicted
	}
	for _, r := range now {
		m.keys.WithLabelValues(r.Rule).Add(float64(r.Keys))
		m.bytes.WithLabelValues(r.Rule).Add(float64(r.Bytes))
		if r.Evicted > evicted[r.Rule] {
			m.evicted.WithLabelValues(r.Rule).Add(float64(r.Evicted - evicted[r.Rule]))
		}
	}
}
