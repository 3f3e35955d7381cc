// Package finding says what a finding is: one rule's judgement on one or more events, in
// a form that is the same wherever and however often it is made. The package is pure.
package finding

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/event"
)

// Severity says how bad a finding is.
type Severity string

// The severities, least first.
const (
	Info     Severity = "info"
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Severities lists the severities, least first.
func Severities() []Severity { return []Severity{Info, Low, Medium, High, Critical} }

// Rank orders severities: 1 for info to 5 for critical, 0 for anything else.
func (s Severity) Rank() int {
	for i, known := range Severities() {
		if s == known {
			return i + 1
		}
	}
	return 0
}

// Mode says what becomes of a rule's findings.
type Mode string

// The modes. A shadow finding is recorded and never alerts.
const (
	Alert  Mode = "alert"
	Shadow Mode = "shadow"
)

// Finding is one rule's judgement. It depends on nothing but the rule set and the events:
// the same offsets give the same findings, byte for byte.
type Finding struct {
	// ID is derived from rule, rule version, tenant, key and events (see DeriveID).
	ID string `json:"id"`
	// Time is that of the newest event that made it.
	Time time.Time `json:"time"`
	// Received is when the collector took in that event.
	Received time.Time `json:"received"`
	Tenant   string    `json:"tenant"`

	Rule        string   `json:"rule"`
	RuleVersion string   `json:"rule_version"`
	Control     string   `json:"control"` // hash of all that decides findings: rules and lists
	Title       string   `json:"title"`
	Summary     string   `json:"summary,omitempty"`
	Severity    Severity `json:"severity"`
	Mode        Mode     `json:"mode"`
	Risk        int      `json:"risk,omitzero"` // 0 to 100
	Tags        []string `json:"tags,omitempty"`
	Playbook    string   `json:"playbook,omitempty"`

	Actor   string       `json:"actor"`
	Agent   event.Agent  `json:"agent,omitzero"`
	Server  event.Server `json:"server,omitzero"`
	Session string       `json:"session,omitempty"`
	Trace   string       `json:"trace,omitempty"`

	Method string `json:"method,omitempty"`
	// Name is the tool, prompt or resource URI of the call, or the definition judged.
	Name string `json:"name,omitempty"`

	// Key names what the rule groups by; for a match rule on a definition, the definition.
	Key []string `json:"key,omitempty"`
	// Events are the ids of the events that made the finding, oldest first; of a count, distinct
	// or sum the last of them.
	Events []string `json:"events"`
	// Observed is what a rule that looks at many events saw.
	Observed *Observed `json:"observed,omitempty"`

	// Suppressed is how many findings like this one were held back since the one before it. With
	// SuppressedAfter, the id of a finding, this one says that its quiet time is over, and nothing more.
	Suppressed      uint32 `json:"suppressed,omitzero"`
	SuppressedAfter string `json:"suppressed_after,omitempty"`
	// ExpiredExceptions are exceptions that would have hidden the finding, had they not expired.
	ExpiredExceptions []string `json:"expired_exceptions,omitempty"`
}

// Observed is what a rule that looks at many events saw of them.
type Observed struct {
	// Within is the time that they lie in, in seconds.
	Within float64 `json:"within,omitzero"`
	// Count is the number of events or different values, Sum what a number added up to.
	Count int     `json:"count,omitzero"`
	Sum   float64 `json:"sum,omitzero"`
	// Values are the beginnings of the different values, or the one that is new.
	Values []string `json:"values,omitempty"`
	// Measure is the number that Usual does not expect.
	Measure float64 `json:"measure,omitzero"`
	Usual   *Usual  `json:"usual,omitempty"`
}

// Usual is what a baseline expects of an entity.
type Usual struct {
	// Low and High bound the usual measures.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// P is the stated chance that the entity, as it was so far, gives a measure as unusual as this.
	P float64 `json:"p"`
	// N is how many measures that rests on, Since from when on.
	N     int       `json:"n"`
	Since time.Time `json:"since"`
}

// DeriveID sets the finding's ID from the rule, its version, the tenant, the key and the
// events: 26 characters of a SHA-256 over the parts, each with its length.
func (f *Finding) DeriveID() {
	var room [512]byte
	text := appendText(appendText(appendText(room[:0], f.Rule), f.RuleVersion), f.Tenant)
	for _, list := range [...][]string{f.Key, f.Events} {
		text = binary.AppendUvarint(text, uint64(len(list)))
		for _, s := range list {
			text = appendText(text, s)
		}
	}
	sum := sha256.Sum256(text)
	var id [26]byte
	digits.Encode(id[:], sum[:16])
	f.ID = string(id[:])
}

func appendText(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

// digits are base 32 with lower-case letters.
var digits = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Encode returns the finding's JSON.
func Encode(f *Finding) ([]byte, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encoding finding %s: %w", f.ID, err)
	}
	return data, nil
}

// Decode reads a finding's JSON. Unknown fields are ignored: a newer detector may know more.
func Decode(data []byte) (Finding, error) {
	var f Finding
	if err := json.Unmarshal(data, &f); err != nil {
		return Finding{}, fmt.Errorf("decoding finding: %w", err)
	}
	if f.ID == "" {
		return Finding{}, fmt.Errorf("decoding finding: it has no id")
	}
	return f, nil
}
