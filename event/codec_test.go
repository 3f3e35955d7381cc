package event_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

func decode(t *testing.T, text string) event.Event {
	t.Helper()
	e, err := event.Decode([]byte(text), event.DefaultLimits())
	if err != nil {
		t.Fatalf("Decode(%.200s): %v", text, err)
	}
	return e
}

func encode(t *testing.T, e *event.Event) string {
	t.Helper()
	data, err := event.Encode(nil, e)
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	return string(data)
}

// TestDecodeThenEncodeKeepsEachField gives each field alone: what is known and what is not
// comes out as it went in.
func TestDecodeThenEncodeKeepsEachField(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"id":"01J"}`,
		`{"parent":"p"}`,
		`{"time":"2026-11-22T09:42:11.123456Z"}`,
		`{"time":"2026-11-22T09:42:11+05:30"}`,
		`{"received":"2026-11-22T09:42:11Z"}`,
		`{"claimed_time":"2031-01-01T00:00:00Z"}`,
		`{"tenant":"acme"}`,
		`{"actor":"agent:laptop"}`,
		`{"agent":{"id":"a","name":"b","version":"c","host":"d","user":"e"}}`,
		`{"server":{"id":"a","name":"b","version":"c","url":"d","command":"e"}}`,
		`{"principal":{"subject":"a","issuer":"b","client_id":"c","audience":"d","scopes":["e"],"token":"f","issued":"2026-01-01T00:00:00Z","expires":"2026-01-02T00:00:00Z","chain":["g"]}}`,
		`{"session":"s","trace":"t","transport":"stdio"}`,
		`{"direction":"to_server"}`,
		`{"direction":"to_client"}`,
		`{"http":{"status":200,"method":"POST","client_ip":"::1","headers":{"mcp-method":"tools/call"}}}`,
		`{"source":{"format":"tap","name":"n","collector":"c","instance":"i","sequence":7,"completeness":["arguments"]}}`,
		`{"request":{"event":"e","method":"tools/call","name":"read","arguments":{"path":"/"}}}`,
		`{"request":{"method":"tools/call","arguments":{}}}`,
		`{"marks":["time_in_future"]}`,
		`{"message":{"jsonrpc":"2.0","method":"ping","id":1}}`,
		`{"message":{}}`,
		`{"message":[]}`,
		`{"message":""}`,
		`{"message":"text"}`,
		`{"message":false}`,
		`{"raw":"not { json"}`,
		`{"unknown":{"a":[1,2]},"Message":"another name","ID":1}`,
		`{"agent":{"id":"a","model":"m"},"server":{"region":"eu"},"principal":{"amr":["mfa"]},"http":{"tls":{"v":"1.3"}},"source":{"site":"n"},"request":{"trace":1}}`,
		`{"x":1,"x":2}`,
	} {
		e := decode(t, text)
		if got := encode(t, &e); got != text {
			t.Errorf("in  %s\nout %s", text, got)
		}
	}
}

// TestDecodeReadsNullAsAbsent holds for each field; a null in place of the event is none.
func TestDecodeReadsNullAsAbsent(t *testing.T) {
	e := decode(t, `{"id":null,"time":null,"agent":null,"http":null,"request":null,"marks":null,"message":null,"raw":null}`)
	if got := encode(t, &e); got != `{}` && got != `{"message":null}` {
		t.Errorf("got %s", got)
	}
}

func TestMessageBytesStayAsOnTheWire(t *testing.T) {
	for _, message := range []string{
		`{"a":1.0,"b":1e3,"c":-0,"d":1E+2,"e":12345678901234567890123,"f":1e400}`,
		`{"z":1,"a":2,"m":3}`,
		`{"s":"\/ \u0041 \ud83d\ude00 😀 \u2028 <&> \"\\"}`,
		`{"a":1,"a":2}`,
		`{"k\u0065y":"\u0000"}`,
		`[{"jsonrpc":"2.0"},null,true,[[]]]`,
	} {
		e := decode(t, `{"message":`+message+`}`)
		if string(e.Message) != message {
			t.Errorf("decoded %s, want %s", e.Message, message)
		}
		if got, want := encode(t, &e), `{"message":`+message+`}`; got != want {
			t.Errorf("encoded %s, want %s", got, want)
		}
	}
	// White space between tokens is the one thing that Encode drops: an event is one line.
	e := decode(t, "{\"message\": {\n\t\"a b\" :\r [ 1 , \" \" ] } }")
	if want := "{\n\t\"a b\" :\r [ 1 , \" \" ] }"; string(e.Message) != want {
		t.Errorf("decoded %q, want %q", e.Message, want)
	}
	if got, want := encode(t, &e), `{"message":{"a b":[1," "]}}`; got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
}

func TestTheLastOfANameThatOccursTwiceCounts(t *testing.T) {
	e := decode(t, `{"id":"a","agent":{"id":"x","id":"y"},"message":1,"id":"b","message":{"n":2}}`)
	if e.ID != "b" || e.Agent.ID != "y" || string(e.Message) != `{"n":2}` {
		t.Errorf("got id %q, agent %q, message %s", e.ID, e.Agent.ID, e.Message)
	}
}

// TestInvalidUnicodeIsReplacedAndMarked covers what agents' parsers forgive: refusing it
// would hide the message from the detector.
func TestInvalidUnicodeIsReplacedAndMarked(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"{\"id\":\"a\xffb\"}", `{"id":"a�b","marks":["invalid_utf8"]}`},
		{"{\"message\":{\"x\":\"\xc3\x28\"}}", `{"marks":["invalid_utf8"],"message":{"x":"�("}}`},
		{"{\"raw\":\"\xed\xa0\x80\"}", `{"marks":["invalid_utf8"],"raw":"�"}`},
		{`{"message":{"x":"\ud800","n":1.0}}`, `{"marks":["invalid_utf8"],"message":{"x":"�","n":1.0}}`},
		{`{"message":{"x":"\udc00\ud800"}}`, `{"marks":["invalid_utf8"],"message":{"x":"��"}}`},
		{`{"agent":{"user":"\ud83dA"}}`, `{"agent":{"user":"�A"},"marks":["invalid_utf8"]}`},
		{"{\"message\":{\"x\":\"\xff\\ud800\"}}", `{"marks":["invalid_utf8"],"message":{"x":"��"}}`},
	} {
		e := decode(t, c.in)
		if got := encode(t, &e); got != c.want {
			t.Errorf("%q\ngot  %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestDecodeNamesTheFieldItRefuses(t *testing.T) {
	deep := strings.Repeat("[", 128) + strings.Repeat("]", 128)
	for _, c := range []struct{ in, field, reason string }{
		{``, "", "is not JSON at byte 0"},
		{`  `, "", "is not JSON"},
		{`null`, "", "is a JSON null"},
		{`nonsense`, "", "is not JSON at byte 1"},
		{`5`, "", "is a JSON number"},
		{`"x"`, "", "is a JSON string"},
		{`[]`, "", "is a JSON array"},
		{`true`, "", "is a JSON boolean"},
		{`{"id":"a"`, "", "is not JSON at byte 9"},
		{`{"id":"a"} x`, "", "is not JSON"},
		{`{"id":"a"}{"id":"b"}`, "", "is not JSON"},
		{`{'id':'a'}`, "", "is not JSON at byte 1"},
		{`{"id":5}`, "id", "is a JSON number"},
		{`{"time":5}`, "time", "is a JSON number"},
		{`{"time":"yesterday"}`, "time", "is a JSON string"},
		{`{"time":"2026-11-22T09:42:11"}`, "time", "is a JSON string"},
		{`{"agent":"claude"}`, "agent", "is a JSON string"},
		{`{"agent":{"id":{}}}`, "agent.id", "is a JSON object"},
		{`{"http":{"status":"200"}}`, "http.status", "is a JSON string"},
		{`{"http":{"status":1e99}}`, "http.status", "is a JSON number"},
		{`{"http":{"headers":{"a":["b"]}}}`, "http.headers.a", "is a JSON array"},
		{`{"source":{"sequence":-1}}`, "source.sequence", "is a JSON number"},
		{`{"source":{"sequence":18446744073709551616}}`, "source.sequence", "is a JSON number"},
		{`{"principal":{"scopes":["a",7]}}`, "principal.scopes.1", "is a JSON number"},
		{`{"marks":{}}`, "marks", "is a JSON object"},
		{`{"raw":1}`, "raw", "is a JSON number"},
		{`{"direction":"sideways"}`, "direction", `is "sideways"`},
		{`{"message":{"a":[1,}}`, "message.a.1", "is not JSON at byte 19"},
		{`{"message":{"a":NaN}}`, "message.a", "is not JSON at byte 16"},
		{`{"message":` + deep + `}`, "", "129 levels of nesting, at most 128"},
		{strings.Repeat("[", 1<<20), "", "levels of nesting"},
		{`{"raw":"` + strings.Repeat("x", 1<<20) + `"}`, "", "bytes, at most 1048576"},
		{`{"id":"` + strings.Repeat("x", 1025) + `"}`, "id", "1025 bytes, at most 1024"},
		{`{"x":"` + strings.Repeat("x", 64<<10) + `"}`, "", "unknown fields of"},
		{`{"agent":{"x":"` + strings.Repeat("x", 32<<10) + `"},"http":{"y":"` + strings.Repeat("x", 32<<10) + `"}}`, "", "unknown fields of"},
	} {
		_, err := event.Decode([]byte(c.in), event.DefaultLimits())
		var refused *event.FieldError
		if !errors.As(err, &refused) {
			t.Errorf("%.60q: %v, want a *FieldError", c.in, err)
			continue
		}
		if refused.Field != c.field || !strings.HasPrefix(refused.Reason, c.reason) && !strings.Contains(refused.Reason, c.reason) {
			t.Errorf("%.60q: field %q, reason %q; want %q, %q", c.in, refused.Field, refused.Reason, c.field, c.reason)
		}
	}
}

func TestDecodeTakesWhatIsAtTheLimits(t *testing.T) {
	decode(t, `{"message":`+strings.Repeat("[", 127)+strings.Repeat("]", 127)+`}`)
	decode(t, `{"message":"`+strings.Repeat("[", 5000)+`\"`+strings.Repeat("{", 5000)+`"}`)
	decode(t, `{"id":"`+strings.Repeat("x", 1024)+`"}`)
	frame := `{"raw":""}`
	e := decode(t, `{"raw":"`+strings.Repeat("x", 1<<20-len(frame))+`"}`)
	if len(e.Marks) != 0 {
		t.Errorf("marks %q on an event within all bounds", e.Marks)
	}
}

func TestErrorsRepeatNoControlCharacters(t *testing.T) {
	for _, text := range []string{
		`{"a\u001b[2J\u0007":{"\u202e\u0000":[1,}}`,
		"{\"a\x1b[31m\": x}",
		`{"http":{"headers":{"\u001b]0;owned\u0007":5}}}`,
		`{"direction":"\u001b[1m\u202e"}`,
		`{"time":"\u001b[2J\u009b"}`,
		`{"message":{"` + strings.Repeat("x", 5000) + `":[}}`,
	} {
		_, err := event.Decode([]byte(text), event.DefaultLimits())
		if err == nil {
			t.Fatalf("%q was taken", text)
		}
		for _, r := range err.Error() {
			if r != ' ' && !unicode.IsPrint(r) {
				t.Errorf("%.60q: the error holds %U: %q", text, r, err)
			}
		}
		if len(err.Error()) > 1000 {
			t.Errorf("%.60q: the error has %d bytes", text, len(err.Error()))
		}
	}
}

func TestTextsOverTheirBoundAreCutAndMarked(t *testing.T) {
	long, longer := strings.Repeat("é", 513), strings.Repeat("é", 4097) // 1026 and 8194 bytes
	e := decode(t, fmt.Sprintf(`{"session":%[1]q,"agent":{"id":%[1]q},"server":{"command":%[2]q},"http":{"headers":{"a":%[2]q}},
		"principal":{"scopes":[%[1]q]},"request":{"method":%[1]q,"arguments":{"x":"%[3]s"}}}`, long, longer, strings.Repeat("x", 64<<10)))
	if got, want := len(e.Session), 1024; got != want {
		t.Errorf("session of %d bytes, want %d", got, want)
	}
	if got, want := len(e.Server.Command), 8192; got != want {
		t.Errorf("command of %d bytes, want %d", got, want)
	}
	want := []string{
		"truncated:session", "truncated:agent.id", "truncated:server.command", "truncated:principal.scopes",
		"truncated:http.headers", "truncated:request", "request_arguments_dropped",
	}
	if fmt.Sprint(e.Marks) != fmt.Sprint(want) {
		t.Errorf("marks\n%q, want\n%q", e.Marks, want)
	}
	if e.Request.Arguments != nil {
		t.Error("arguments over their bound were kept")
	}
}

func TestListsOverTheirBoundAreCutAndMarked(t *testing.T) {
	list := strings.TrimSuffix(strings.Repeat(`"x",`, 65), ",")
	e := decode(t, `{"principal":{"scopes":[`+list+`]},"source":{"completeness":[`+list+`]}}`)
	if len(e.Principal.Scopes) != 64 || len(e.Source.Completeness) != 64 {
		t.Errorf("%d scopes, %d completeness", len(e.Principal.Scopes), len(e.Source.Completeness))
	}
	if !e.HasMark("truncated:principal.scopes") || !e.HasMark("truncated:source.completeness") {
		t.Errorf("marks %q", e.Marks)
	}
}

func TestHeaderNamesAreLowerCaseAndAnyThatIsDroppedIsMarked(t *testing.T) {
	e := decode(t, `{"http":{"headers":{"Mcp-Method":"tools/call","X":"1"}}}`)
	if e.HTTP.Headers["mcp-method"] != "tools/call" || len(e.HTTP.Headers) != 2 || len(e.Marks) != 0 {
		t.Errorf("headers %v, marks %q", e.HTTP.Headers, e.Marks)
	}
	e = decode(t, `{"http":{"headers":{"Mcp-Method":"a","mcp-method":"b"}}}`)
	if len(e.HTTP.Headers) != 1 || !e.HasMark("truncated:http.headers") {
		t.Errorf("two of one name: headers %v, marks %q", e.HTTP.Headers, e.Marks)
	}
	var many strings.Builder
	for i := range 70 {
		fmt.Fprintf(&many, `"h%02d":"v",`, i)
	}
	e = decode(t, `{"http":{"headers":{`+strings.TrimSuffix(many.String(), ",")+`}}}`)
	if len(e.HTTP.Headers) != 64 || !e.HasMark("truncated:http.headers") {
		t.Errorf("70 headers: %d kept, marks %q", len(e.HTTP.Headers), e.Marks)
	}
}

// TestAShipperCannotCrowdOutOurMarks fills the list of marks before ours are added.
func TestAShipperCannotCrowdOutOurMarks(t *testing.T) {
	var full []string
	for i := range 64 {
		full = append(full, fmt.Sprintf(`"shipper-%d"`, i))
	}
	for _, extra := range []string{``, `,"one-more"`, `,"` + strings.Repeat("x", 2000) + `"`} {
		e := decode(t, `{"session":"`+strings.Repeat("s", 1025)+`","marks":[`+strings.Join(full, ",")+extra+`]}`)
		e.Accept(event.Origin{Tenant: "t", Source: "s"}, time.Unix(1_000_000, 0), nil, 0)
		stored, err := event.Decode([]byte(encode(t, &e)), event.StoredLimits())
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range []string{"truncated:session", "truncated:marks", "time_missing"} {
			if !stored.HasMark(mark) {
				t.Errorf("with %.20q the mark %q is gone: %q", extra, mark, stored.Marks)
			}
		}
		if len(stored.Marks) > 64 {
			t.Errorf("%d marks", len(stored.Marks))
		}
	}
}

func TestMendLeavesJSONAndWhatCannotBeMendedAsItIs(t *testing.T) {
	for _, text := range []string{`{"a": 1.0}`, `{"a":1,"a":2}`, `{`, ``, "\xff", `{"a":\ud800}`} {
		if got, mended := event.Mend([]byte(text)); mended || string(got) != text {
			t.Errorf("Mend(%q) = %q, %t", text, got, mended)
		}
	}
	got, mended := event.Mend([]byte("{ \"a\": \"\xff\\ud800\" }"))
	if !mended || string(got) != `{"a":"��"}` || !jsontext.Value(got).IsValid() {
		t.Errorf("got %q, %t", got, mended)
	}
}
