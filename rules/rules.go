// Package rules holds the detection content that ships with mcpwatch: one rule a file, by
// theme, with its tests inside, and the lists that rules share. It is data; what reads it
// is detector/rule.
package rules

import (
	"embed"
	"io/fs"
)

//go:embed */*.yaml
var files embed.FS

// FS returns the rules and lists.
func FS() fs.FS { return files }
