// Package tap is what `mcpwatch tap` runs: it stands between an agent and a stdio MCP server
// (Run), or between many and an HTTP one (Serve), and ships what they say to a collector.
//
// What it guarantees, in order of importance:
//
//  1. The agent and the server see the same bytes, end of input, signals and exit code, or
//     HTTP requests and answers, as without the tap. Nothing that observation does (a full queue, a full disk, a
//     collector that is away, a message nobody can parse) delays or ends the connection.
//  2. What is observed is on disk before it is sent, and leaves the disk only when the
//     collector has taken it. A killed tap loses what was in memory, some milliseconds;
//     the next tap ships what it left, with the same event ids.
//  3. What is not observed or not kept is counted, and declared by a gap event.
//
// A gap event has no message; it bears the mark "tap_gap" and an extra field:
//
//	"tap_gap":{"reason":"queue_full","bytes":70000}
//	"tap_gap":{"reason":"spool_full","instance":"01J…","first":7,"last":90,"events":84,"bytes":41234}
//
// The reasons are the Gap constants. Numbers first to last were given to events that
// exist nowhere any more; bytes of "queue_full" never became events at all.
//
// How it works: a pump per direction copies bytes, or a proxy does, and leaves a copy in a
// bounded queue; the observer takes lines, bodies and frames from the queue, makes events of
// them and appends those to the store; shippers read the store and post to the collector.
// Who passes bytes on never waits for the observer, and the observer never waits for a shipper.
//
// What differs from running a stdio server without the tap: the server is a child in the same
// process group, so a signal sent to the whole group (Ctrl-C on a terminal, killpg)
// reaches it twice; death by signal N is seen as exit code 128+N; what a grandchild that
// outlives the server writes after the server's end is not passed on. On Linux a tap that
// is killed takes the server with it; elsewhere the server sees the end of its input.
package tap

import "github.com/mcpwatch/mcpwatch/event"

// Carries lists what a tap's events carry, as in event.Source.Completeness.
func Carries() []string {
	return []string{
		event.CarriesCalls, event.CarriesArguments, event.CarriesResults, event.CarriesDefinitions, event.CarriesMessages,
		event.CarriesSession, event.CarriesTransport, event.CarriesAgent, "server.id", "server.name", "server.version", "server.command",
	}
}

// The two directions as indices.
const (
	toServer = iota
	toClient
	directions
)

func directionOf(way int) event.Direction {
	if way == toServer {
		return event.ToServer
	}
	return event.ToClient
}
