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
	text := value.AppendTo(append([]byte(kind), 0))
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
		return d.value.Text()
	}
	return d.value.Get("description").Text()
}

// maxDefinitions bounds the tools, prompts, resources and templates of one message that are
// judged: some 0.1 ms each.
const maxDefinitions = 2048

// definitionLists are the members of a result that define, with what names each definition.
var definitionLists = [...]struct{ member, kind, name string }{
	{"tools", "tool", "name"},
	{"prompts", "prompt", "name"},
	{"resources", "resource", "uri"},
	{"resourceTemplates", "template", "uriTemplate"},
}

// definitions lists what of the message is judged: the first maxDefinitions in the order of
// the lists, and the instructions.
func (v *View) definitions() []Definition {
	var found []Definition
	for _, list := range definitionLists {
		for _, d := range objects(v.message.Result.Get(list.member)) {
			if len(found) == maxDefinitions {
				break
			}
			found = append(found, newDefinition(list.kind, d.Get(list.name).Text(), d))
		}
	}
	if instructions := v.message.Result.Get("instructions"); instructions.Text() != "" {
		found = append(found, newDefinition("instructions", "instructions", instructions))
	}
	return found
}

// Unjudged is how many definitions of the shown message are left out, being too many.
func (v *View) Unjudged() int {
	n := 0
	for _, list := range definitionLists {
		n += len(objects(v.message.Result.Get(list.member)))
	}
	return max(n-maxDefinitions, 0)
}

// objects are the objects in an array.
func objects(list event.Value) []event.Value {
	var found []event.Value
	for item := range list.Items() {
		if item.Kind() == event.Object {
			found = append(found, item)
		}
	}
	return found
}
