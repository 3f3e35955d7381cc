// Package baseline says what is usual for an entity, and how unusual a measure of it is. A rule of
// kind anomaly names a Method; the detector keeps a Profile for each key of the rule.
package baseline

// Method makes the profiles of one way to judge a measure. It is immutable and safe to share.
type Method interface {
	// Name is what rules call it, as anomaly.baseline.
	Name() string
	// New returns the profile of an entity of which nothing is known.
	New() Profile
}

// Profile is what is known of one entity. It has a clock only through the events that it is shown,
// and is bounded: a method states its most bytes.
type Profile interface {
	// Observe judges a measure by what was learnt before it, and learns from it. At is event time in
	// microseconds since 1970; one earlier than that of the last is judged and not learnt from.
	Observe(at int64, measure float64) Verdict
	// Size is how many bytes the profile takes.
	Size() int
	// Append writes the profile for a checkpoint, Decode reads it back and returns the rest. Bytes
	// that Append of this version has not written are an error.
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
