package format

import "github.com/mcpwatch/mcpwatch/event"

// readHookCodex reads what Codex hands its hooks. It has taken over Claude Code's names, and adds
// turn_id.
func (r *Reader) readHookCodex(root event.Value) error {
	r.hookLikeClaude(root, "codex")
	return nil
}
