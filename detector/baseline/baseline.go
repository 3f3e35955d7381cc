// Package baseline says what is usual for an entity, and how unusual a measure of it is. A rule of
// kind anomaly names a Method; the detector keeps a Profile for each key of the rule.
package baseline

// Method makes the profiles of one way to judge a measure. It is immutable and safe to share.
type Method interface {
	// Name is what rules call it, as anomaly.baseline. A method that judges otherwise, or writes
	// its profiles otherwise, than a version before has another name: findings' ids hang on it.
	Name() string
	// New returns the profile of an entity of which nothing is known.
	New() Profile
}

// Profile is what is known of one entity. It has a clock only through the events that it is shown.
// Between two of them it is kept as Append wrote it, so those bytes are all that it remembers. They count
// for the memory of its rule, and their number is bounded: a method states the most.
type Profile interface {
	// Observe judges a measure by what was learnt before it, and learns from it. At is event time in
	// microseconds since 1970; one earlier than that of the last is judged and not learnt from.
	Observe(at int64, measure float64) Verdict
	// Append writes the profile, Decode reads it back into a new one and returns the rest. Bytes that
	// Append has not written are an error.
	Append(dst []byte) []byte
	Decode(src []byte) (rest []byte, err error)
}

// Verdict says how unusual a measure is, in numbers that an analyst can check.
type Verdict struct {
	// Learning says that too little is known to judge. P is 1 then.
	Learning bool
	// P is the stated chance that the entity, as it was so far, gives a measure as unusual as this. A
	// rule finds where it is below what its false_alarms a day allow at the entity's rate.
	P float64
	// Low and High bound the usual measures, N is how many the profile rests on, and Since, in
	// microseconds since 1970, from when on.
	Low, High float64
	N         int
	Since     int64
}

const day = 24 * 60 * 60 * 1e6 // microseconds

// Unusual reports whether a measure of which this is the verdict is to be found, where so many false alarms
// a day are accepted: an entity that gives N measures in a time gives P*N that are as unusual by chance. At
// is the measure's event time.
func (v *Verdict) Unusual(at int64, falseAlarms float64) bool {
	return !v.Learning && v.P*float64(v.N)*day < falseAlarms*float64(at-v.Since)
}
