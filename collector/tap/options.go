package tap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/user"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/collector/redact"
	"github.com/mcpwatch/mcpwatch/event"
)

// Options say what to wrap and where to ship. Start from DefaultOptions.
type Options struct {
	// Server names the MCP server; it becomes Server.ID of each event. At most 1,024 bytes.
	Server string
	// Command is the server's program and its arguments.
	Command []string
	// Env is the server's environment as "NAME=value"; nil is the tap's own. A caller that
	// has its token in the environment leaves it out here.
	Env []string
	// Dir is the server's working directory; "" is the tap's own.
	Dir string

	// Stdin and Stdout are the agent's ends; Stderr is handed to the server as it is. Run
	// closes Stdin when the server no longer reads and Stdout when it no longer writes.
	Stdin, Stdout, Stderr *os.File

	// Agent is who runs the tap. Name and Version are replaced by what the client claims.
	Agent event.Agent

	// Redaction says what is taken out of events before they are spooled; nil: nothing.
	Redaction *redact.Policy

	// SpoolDir holds a directory for each tap instance, made with mode 0700. All taps of
	// one user and one collector share it.
	SpoolDir string
	// SegmentBytes is how large a file of the spool grows before the next is begun.
	SegmentBytes int64
	// SpoolBytes bounds this tap's spool together with those it adopted from dead taps;
	// beyond it the oldest segment is dropped and declared. At least two segments.
	SpoolBytes int64
	// QueueBytes bounds what the observer may lag behind, in memory. At least 128 KiB.
	QueueBytes int

	// Target says where the collector is ("http://host:port", no path) and the token it
	// knows us by. It is asked before each attempt and must heed its context.
	Target func(context.Context) (endpoint, token string, err error)
	// Client posts the batches; nil is a client of our own. It must not follow redirects,
	// which would send the token elsewhere.
	Client *http.Client
	// TLS is how our own client trusts the collector and proves itself; nil trusts the system's CAs.
	TLS *tls.Config
	// RetryMin and RetryMax bound the exponential wait after 429, 5xx and network errors.
	RetryMin, RetryMax time.Duration
	// RetrySlow is the wait after an answer that a retry alone won't change, such as 401.
	RetrySlow time.Duration
	// AdoptEvery is how often spools of dead taps are looked for.
	AdoptEvery time.Duration
	// Linger is how long after the server's end the rest may still be shipped. A collector
	// that is away ends it at the first failed attempt.
	Linger time.Duration

	// DryRun, if set, is written the events that would be shipped, one a line; then there is no
	// spool, and nothing leaves the machine.
	DryRun io.Writer

	// NewInstance names this run of the tap: 1 to 64 letters and digits, never the same
	// twice, and sorting by age.
	NewInstance func() string
	// Now is the clock of the events.
	Now func() time.Time
	// Logger is told of changes of state, never of single events. The zero Logger is silent.
	Logger zerolog.Logger
	// Counters, if set, are kept up to date and may be read at any time.
	Counters *Counters
}

// DefaultOptions are complete but for Server, Command, SpoolDir and Target.
func DefaultOptions() Options {
	return Options{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Agent:        localAgent(),
		SegmentBytes: 4 << 20,
		SpoolBytes:   256 << 20,
		QueueBytes:   32 << 20,
		RetryMin:     100 * time.Millisecond,
		RetryMax:     10 * time.Second,
		RetrySlow:    30 * time.Second,
		AdoptEvery:   time.Minute,
		Linger:       time.Second,
		NewInstance:  func() string { return ulid.Make().String() },
		Now:          time.Now,
	}
}

// localAgent is this host and user; what the system doesn't tell is left out.
func localAgent() event.Agent {
	host, _ := os.Hostname()
	name := cmp.Or(os.Getenv("USER"), os.Getenv("USERNAME"))
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return event.Agent{ID: cmp.Or(host, "unknown") + "/" + cmp.Or(name, "unknown"), Host: host, User: name}
}

const maxName = 1024 // bytes of a name in an event, as the event package bounds it

// problemsOfCommand are those that Run alone has.
func (o *Options) problemsOfCommand() (problems []error) {
	if len(o.Command) == 0 || o.Command[0] == "" {
		problems = append(problems, fmt.Errorf("%s is empty", "Command"))
	}
	if o.Stdin == nil || o.Stdout == nil {
		problems = append(problems, fmt.Errorf("%s and %s must be set", "Stdin", "Stdout"))
	}
	return problems
}

// validate reports every problem at once, and those found before.
func (o *Options) validate(problems ...error) error {
	require := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	require(o.Server != "", "Server is empty")
	require(len(o.Server) <= maxName, "Server has %d bytes, at most %d are taken", len(o.Server), maxName)
	require(utf8.ValidString(o.Server), "Server is not UTF-8")
	for _, f := range []struct{ name, value string }{
		{"Agent.ID", o.Agent.ID},
		{"Agent.Name", o.Agent.Name},
		{"Agent.Version", o.Agent.Version},
		{"Agent.Host", o.Agent.Host},
		{"Agent.User", o.Agent.User},
	} {
		require(len(f.value) <= maxName && utf8.ValidString(f.value), "%s must be at most %d bytes of UTF-8", f.name, maxName)
	}
	require(o.SpoolDir != "", "SpoolDir is empty")
	require(o.SegmentBytes >= 1, "SegmentBytes is %d, must be positive", o.SegmentBytes)
	require(o.SpoolBytes >= 2*o.SegmentBytes, "SpoolBytes is %d, must hold two segments of %d", o.SpoolBytes, o.SegmentBytes)
	require(o.QueueBytes >= 2*blockBytes, "QueueBytes is %d, must be at least %d", o.QueueBytes, 2*blockBytes)
	require(o.Target != nil, "Target is not set")
	require(o.RetryMin > 0 && o.RetryMin <= o.RetryMax, "RetryMin %v and RetryMax %v must be positive and in order", o.RetryMin, o.RetryMax)
	require(o.RetrySlow > 0, "RetrySlow is %v, must be positive", o.RetrySlow)
	require(o.AdoptEvery > 0, "AdoptEvery is %v, must be positive", o.AdoptEvery)
	require(o.Linger >= 0, "Linger is %v, must not be negative", o.Linger)
	require(o.NewInstance != nil, "NewInstance is not set")
	require(o.Now != nil, "Now is not set")
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("checking the tap's options: %w", err)
	}
	return nil
}

// instance asks for this run's name, which is also the name of a directory.
func (o *Options) instance() (string, error) {
	name := o.NewInstance()
	if !isInstance(name) {
		return "", fmt.Errorf("naming the tap's instance: %q is not 1 to 64 letters and digits", name)
	}
	return name, nil
}

func isInstance(name string) bool {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return len(name) >= 1 && len(name) <= 64 && strings.Trim(name, alphabet) == ""
}

// commandLine is the command as one line of valid UTF-8, and whether it had to be cut.
func commandLine(command []string) (line string, truncated bool) {
	const most = 8 << 10
	line = strings.ToValidUTF8(strings.Join(command, " "), "\uFFFD")
	if len(line) <= most {
		return line, false
	}
	return strings.ToValidUTF8(line[:most], ""), true
}
