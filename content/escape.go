package content

// escapeLen returns the length of the terminal escape at the start of s, which begins
// with ESC or the one-character CSI. Where no well-formed sequence follows it is the
// introducer alone.
func escapeLen(s string) int {
	n := 1
	if s[0] != '\x1b' {
		n = len("\u009b")
		return n + controlSequenceLen(s[n:])
	}
	if len(s) == 1 {
		return n
	}
	switch s[1] {
	case '[':
		if m := controlSequenceLen(s[2:]); m > 0 {
			return 2 + m
		}
	case ']': // operating system command, such as a hyperlink or a window title
		return operatingSystemCommandLen(s)
	}
	return n
}

// controlSequenceLen returns the length of parameters, intermediates and the final
// byte, or 0 where they are not well formed.
func controlSequenceLen(s string) int {
	i := 0
	for i < len(s) && i < 64 && 0x20 <= s[i] && s[i] <= 0x3f {
		i++
	}
	if i < len(s) && 0x40 <= s[i] && s[i] <= 0x7e {
		return i + 1
	}
	return 0
}

// operatingSystemCommandLen bounds the search for the terminator, so that an unclosed
// command hides no more than the introducer. Any other escape ends the search too:
// otherwise a text of nothing but introducers would be read 256 times.
func operatingSystemCommandLen(s string) int {
	const longest = 256
	for i := 2; i < len(s) && i < longest; i++ {
		switch {
		case s[i] == '\a':
			return i + 1
		case s[i] == '\x1b' && i+1 < len(s) && s[i+1] == '\\':
			return i + 2
		case s[i] == '\n' || s[i] == '\x1b':
			return 1
		}
	}
	return 1
}
