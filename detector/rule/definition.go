package rule

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/valyala/fastjson"

	"github.com/mcpwatch/mcpwatch/event"
)

// Definition is one of the tools, prompts, resources, templates or instructions that a
// message defines.
type Definition struct {
	kind, name string
	value      *fastjson.Value
	digest     [16]byte
}

// Kind is tool, prompt, resource, template or instructions.
func (d *Definition) Kind() string { return d.kind }

// Name is the definition's name, or the resource's URI.
func (d *Definition) Name() string { return d.name }

// Digest is a hash of kind and text, white space aside, in hexadecimal digits.
func (d *Definition) Digest() string { return hex.EncodeToString(d.digest[:8]) }

func newDefinition(kind, name string, value *fastjson.Value) Definition {
	text := value.MarshalTo(append([]byte(kind), 0))
	sum := sha256.Sum256(text)
	return Definition{kind: kind, name: name, value: value, digest: [16]byte(sum[:])}
}

// verdicts remembers which programs a definition matched, for the last definitions seen.
type verdicts struct {
	matched map[[16]byte][]int
	ring    [][16]byte
	next    int
}

// maxVerdicts is how many definitions a view remembers.
const maxVerdicts = 4096

func (c *verdicts) get(digest [16]byte) (matched []int, known bool) {
	matched, known = c.matched[digest]
	return matched, known
}

func (c *verdicts) put(digest [16]byte, matched []int) {
	if c.matched == nil {
		c.matched = make(map[[16]byte][]int)
	}
	if len(c.ring) < maxVerdicts {
		c.ring = append(c.ring, digest)
	} else {
		delete(c.matched, c.ring[c.next])
		c.ring[c.next] = digest
		c.next = (c.next + 1) % maxVerdicts
	}
	c.matched[digest] = matched
}

// description is what the model reads of a definition beside its name.
func (d *Definition) description() string {
	if d.kind == "instructions" {
		return event.Text(d.value)
	}
	return event.Text(event.Get(d.value, "description"))
}

// definitions lists what the message defines.
func (v *View) definitions() []Definition {
	result := v.message.Result
	if result == nil {
		return nil
	}
	var found []Definition
	for _, list := range [...]struct{ member, kind, name string }{
		{"tools", "tool", "name"},
		{"prompts", "prompt", "name"},
		{"resources", "resource", "uri"},
		{"resourceTemplates", "template", "uriTemplate"},
	} {
		members := event.Get(result, list.member)
		if members == nil || members.Type() != fastjson.TypeArray {
			continue
		}
		for _, d := range members.GetArray() {
			if d.Type() == fastjson.TypeObject {
				found = append(found, newDefinition(list.kind, event.Text(event.Get(d, list.name)), d))
			}
		}
	}
	if instructions := event.Get(result, "instructions"); event.Text(instructions) != "" {
		found = append(found, newDefinition("instructions", "instructions", instructions))
	}
	return found
}
