package rule

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"

	"github.com/mcpwatch/mcpwatch/event"
)

// Sighting is an event as a rule remembers it: what later conditions and the finding need.
// It holds copies, and is good for ever.
type Sighting struct {
	Event    string    `json:"event"`
	Time     time.Time `json:"time,omitzero"`
	Received time.Time `json:"received,omitzero"`
	Tenant   string    `json:"tenant,omitempty"`
	// Source is the credential that shipped the event: what it costs to remember is on its share.
	Source  string       `json:"source,omitempty"`
	Actor   string       `json:"actor,omitempty"`
	Agent   event.Agent  `json:"agent,omitzero"`
	Server  event.Server `json:"server,omitzero"`
	Session string       `json:"session,omitempty"`
	Trace   string       `json:"trace,omitempty"`
	Method  string       `json:"method,omitempty"`
	Name    string       `json:"name,omitempty"`
	// Definition is the digest of the definition that was judged, "" where the event as a whole was.
	Definition string `json:"definition,omitempty"`
	// Facts are values of fields, by name. A field that the event did not have is not among them. Cut
	// names those of which not all is kept, or nothing, for want of room.
	Facts map[string]any `json:"facts,omitempty"`
	Cut   []string       `json:"cut,omitempty"`
	// Key and QuietKey are those of the rule, where no later event has them.
	Key      []string `json:"key,omitempty"`
	QuietKey []string `json:"quiet_key,omitempty"`
}

// Bounds of what is kept of one event.
const (
	maxFacts    = 8192 // bytes of all facts together
	maxFactText = 4096
	maxFactList = 64
	factBytes   = 8 // what a value costs beside its text
)

// Glance is the shown event without facts, good until the view shows another.
func (v *View) Glance() Sighting {
	e := v.event
	s := Sighting{
		Event: e.ID, Time: e.Time, Received: e.Received, Tenant: e.Tenant, Source: e.Source.Name,
		Actor: e.Actor, Agent: e.Agent, Server: e.Server, Session: e.Session, Trace: e.Trace, Method: v.Method(), Name: v.Name(),
	}
	if v.definition != nil {
		s.Name = v.definition.name
	}
	return s
}

// sight makes the shown event a sighting with those fields.
func (v *View) sight(fields []string) *Sighting {
	glance := v.Glance()
	s := &glance
	for _, text := range []*string{&s.Event, &s.Tenant, &s.Source, &s.Actor, &s.Session, &s.Trace, &s.Method, &s.Name} {
		*text = strings.Clone(*text)
	}
	s.Agent.Extra, s.Server.Extra = nil, nil
	if v.definition != nil {
		s.Name = strings.Clone(v.definition.name)
		s.Definition = v.definition.Digest()
	}
	room := factRoom{left: maxFacts}
	for _, name := range fields {
		value := v.value(v.schema.index[name])
		if value == nil {
			continue
		}
		room.cut = false
		if fact := room.copy(value); fact != nil {
			if s.Facts == nil {
				s.Facts = make(map[string]any, len(fields))
			}
			s.Facts[name] = fact
		}
		if room.cut {
			s.Cut = append(s.Cut, name)
		}
	}
	return s
}

// factRoom is how many bytes may still be kept of an event.
type factRoom struct {
	left int
	cut  bool // that something was left out
}

// copy copies a value into one that has a JSON form; nil where it has none, or no room is left.
func (r *factRoom) copy(value ref.Val) any {
	if r.left -= factBytes; r.left < 0 {
		r.cut = true
		return nil
	}
	switch value := value.(type) {
	case types.String:
		return r.text(string(value))
	case types.Int:
		return int64(value)
	case types.Double:
		// JSON has no other numbers; one that is written larger is the largest.
		return max(-math.MaxFloat64, min(float64(value), math.MaxFloat64))
	case types.Bool:
		return bool(value)
	case types.Timestamp:
		return value.Time
	case traits.Lister:
		return r.list(value)
	case traits.Mapper:
		return r.members(value)
	default:
		return nil
	}
}

// text copies a text, cut to what there is room for; nil where there is none for any of it.
func (r *factRoom) text(s string) any {
	n := min(len(s), maxFactText, r.left)
	for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	r.cut = r.cut || n < len(s)
	if n == 0 && s != "" {
		return nil
	}
	r.left -= n
	return strings.Clone(s[:n])
}

func (r *factRoom) list(from traits.Lister) []any {
	list := []any{}
	for it := from.Iterator(); it.HasNext() == types.True; {
		if len(list) == maxFactList || r.left <= 0 {
			r.cut = true
			break
		}
		list = append(list, r.copy(it.Next()))
	}
	return list
}

// members copies members by name: a map has no order of its own.
func (r *factRoom) members(from traits.Mapper) map[string]any {
	var names []string
	for it := from.Iterator(); it.HasNext() == types.True; {
		if name, ok := it.Next().(types.String); ok {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	facts := map[string]any{}
	for i, name := range names {
		if i == maxFactList || len(name)+factBytes > r.left {
			r.cut = true
			break
		}
		r.left -= len(name)
		facts[strings.Clone(name)] = r.copy(from.Get(types.String(name)))
	}
	return facts
}

// bare is a sighting without its methods.
type bare Sighting

// MarshalJSONTo implements json.MarshalerTo: a number that is no integer to CEL is written as none.
func (s *Sighting) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, (*bare)(s), json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, f float64) error {
		text := strconv.AppendFloat(nil, f, 'g', -1, 64)
		if !bytes.ContainsAny(text, ".e") {
			text = append(text, ".0"...)
		}
		return enc.WriteValue(text)
	})))
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom: an integer stays one.
func (s *Sighting) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return json.UnmarshalDecode(dec, (*bare)(s), json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, fact *any) error {
		if dec.PeekKind() != '0' {
			return errors.ErrUnsupported // as without this function
		}
		text, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			*fact = n
			return nil
		}
		*fact, err = strconv.ParseFloat(string(text), 64)
		return err
	})))
}

// Encode gives the sighting's bytes.
func (s *Sighting) Encode() ([]byte, error) {
	data, err := json.Marshal(s, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding what a rule remembers of event %s: %w", s.Event, err)
	}
	return data, nil
}

// DecodeSighting reads the bytes of Encode.
func DecodeSighting(data []byte) (*Sighting, error) {
	s := &Sighting{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("decoding what a rule remembers of an event: %w", err)
	}
	return s, nil
}

// value is a fact as CEL reads it, or absentValue.
func (s *schema) factValue(of *Sighting, name string) any {
	f, known := s.field(name)
	if !known {
		return s.absent
	}
	if f.constant {
		return f.value(nil)
	}
	fact, there := of.Facts[name]
	if !there {
		return s.absent
	}
	if text, is := fact.(string); is && f.Type.Kind() == types.TimestampKind {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return s.absent
		}
		return types.Timestamp{Time: t}
	}
	return types.DefaultTypeAdapter.NativeToValue(fact)
}

// memory is a sighting as expressions see it: an activation without an event.
type memory struct {
	schema *schema
	of     *Sighting
}

// ResolveName implements CEL's activation.
func (m memory) ResolveName(name string) (any, bool) {
	if name == memoName {
		return nil, false
	}
	return m.schema.factValue(m.of, name), true
}

// Parent implements CEL's activation.
func (m memory) Parent() interpreter.Activation { return nil }

// story is an event, shown or remembered, and the sightings of the steps before it.
type story struct {
	program *Program
	now     interpreter.Activation
	earlier []*Sighting // by step
}

// ResolveName implements CEL's activation.
func (s story) ResolveName(name string) (any, bool) {
	schema := s.program.schema
	step, field, ok := schema.ofStep(name, s.program.names)
	switch {
	case !ok:
		return s.now.ResolveName(name)
	case step < len(s.earlier):
		return schema.factValue(s.earlier[step], field), true
	default:
		return s.now.ResolveName(field)
	}
}

// Parent implements CEL's activation.
func (s story) Parent() interpreter.Activation { return nil }

// keep adds names to those that are kept, sorted and once.
func keep(kept []string, names ...string) []string {
	kept = append(kept, names...)
	slices.Sort(kept)
	return slices.Compact(kept)
}
