package rule_test

import (
	"testing"
	"testing/fstest"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// TestTheHashCoversListsOfExceptions holds that a list which nothing but an exception reads is part of
// the set's address: a detector takes no set of the address that it has.
func TestTheHashCoversListsOfExceptions(t *testing.T) {
	hash := func(values string) string {
		set, err := rule.Load(rule.Folder{Name: "test", Files: fstest.MapFS{
			"r.yaml":            {Data: []byte("id: r\ntitle: R\nseverity: low\nmatch: call.tool == \"read\"\n")},
			"exceptions/x.yaml": {Data: []byte("id: x\nrules: [r]\nwhen: actor in lists.ok\nreason: a\nowner: b\nexpires: 2030-01-01\n")},
			"lists/ok.yaml":     {Data: []byte("name: ok\nvalues: [" + values + "]\n")},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return set.Hash
	}
	one, again, two := hash("a"), hash("a"), hash("a, b")
	if one != again || one == two {
		t.Errorf("%s and %s for a, %s for a and b", one, again, two)
	}
}
