package rule

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/mcpwatch/mcpwatch/event"
)

// Definition is one of the tools, prompts, resources, templates or instructions that a
// message defines.
type Definition struct {
	kind, name string
	value      event.Value
	digest     [16]byte
}

// Kind is tool, prompt, resource, template or instructions.
func (d *Definition) Kind() string { return d.kind }

// Name is the definition's name, or the resource's URI.
func (d *Definition) Name() string { return d.name }

// Digest is a hash of kind and text, white space aside, in hexadecimal digits.
func (d *Definition) Digest() string { return hex.EncodeToString(d.digest[:8]) }

func newDefinition(kind, name string, value event.Value) Definition {
	h := sha256.New()
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write(value.AppendCompact(nil))
	return Definition{kind: kind, name: name, value: value, digest: [16]byte(h.Sum(nil))}
}

// verdicts remembers which conditions a definition met, for the last definitions seen.
type verdicts struct {
	met  map[[16]byte]verdict
	ring [][16]byte
	next int
}

// verdict is what was met, and what it cost.
type verdict struct {
	met  []*condition
	cost int64
}

// maxVerdicts is how many definitions a view remembers.
const maxVerdicts = 4096

// verdictBytes is about what a definition takes in it beside the conditions that it met.
const verdictBytes = 128

// VerdictBytes is about how much memory the judged definitions take that the view remembers, and the most
// that they can.
func (v *View) VerdictBytes(s *Set) (bytes, most int) {
	bytes = len(v.verdicts.ring) * verdictBytes
	for _, of := range v.verdicts.met {
		bytes += 8 * cap(of.met)
	}
	return bytes, maxVerdicts * (verdictBytes + 2*8*len(s.alone.conditions))
}

func (c *verdicts) get(digest [16]byte) (met verdict, known bool) {
	met, known = c.met[digest]
	return met, known
}

func (c *verdicts) put(digest [16]byte, met verdict) {
	if c.met == nil {
		c.met = make(map[[16]byte]verdict)
	}
	if len(c.ring) < maxVerdicts {
		c.ring = append(c.ring, digest)
	} else {
		delete(c.met, c.ring[c.next])
		c.ring[c.next] = digest
		c.next = (c.next + 1) % maxVerdicts
	}
	c.met[digest] = met
}

// description is what the model reads of a definition beside its name.
func (d *Definition) description() string {
	if d.kind == "instructions" {
		return d.value.Text()
	}
	return d.value.Get("description").Text()
}

// Bounds of what is judged of one message.
const (
	maxDefinitionsBytes = 512 << 10 // of their JSON, and definitionBytes for each
	definitionBytes     = 1 << 10   // a short one costs what as much text does
)

// definitionLists are the members of a result that define, with what names each definition.
var definitionLists = [...]struct{ member, kind, name string }{
	{"tools", "tool", "name"},
	{"prompts", "prompt", "name"},
	{"resources", "resource", "uri"},
	{"resourceTemplates", "template", "uriTemplate"},
}

// definitions lists what of the message is judged, and counts what is left out.
func (v *View) definitions() []Definition {
	var found []Definition
	v.unjudged = v.eachDefinition(func(kind, name string, value event.Value) {
		found = append(found, newDefinition(kind, name, value))
	})
	return found
}

// eachDefinition calls judged for what of the message is judged, in the order of the lists and then the
// instructions, and returns how many are left out, being too many or too long.
func (v *View) eachDefinition(judged func(kind, name string, value event.Value)) (left int) {
	result := v.message.Result
	if result.Kind() != event.Object {
		return 0
	}
	bytes := 0
	for _, list := range definitionLists {
		defined := result.Get(list.member)
		if defined.Kind() != event.Array {
			continue
		}
		for d := range defined.Items() {
			if d.Kind() != event.Object {
				continue
			}
			if bytes += definitionBytes + len(d.Raw()); bytes > maxDefinitionsBytes {
				left++
				continue
			}
			judged(list.kind, d.Get(list.name).Text(), d)
		}
	}
	if instructions := result.Get("instructions"); instructions.Text() != "" {
		judged("instructions", "instructions", instructions) // always
	}
	return left
}

// DefinitionsNotJudged marks an event that defines more than is judged.
const DefinitionsNotJudged = "definitions_not_judged"

// Unjudged is how many definitions of the shown event the last Match left out.
func (v *View) Unjudged() int { return v.unjudged }
