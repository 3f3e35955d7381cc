//go:build darwin || linux

package clickhouse

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// capi is the part of the engine's C interface that is used here. A C pointer is an unsafe.Pointer and never a
// uintptr, so that vet and the race detector's pointer checks keep watching over it. Byte slices pass as a pointer
// to their first element and are kept alive by purego until the call returns; the engine copies what it keeps.
type capi struct {
	disableSignals func(enabled int32)
	connect        func(argc int32, argv []*byte) unsafe.Pointer
	closeConn      func(handle unsafe.Pointer)
	shutdown       func() int32

	query       func(conn unsafe.Pointer, sql []byte, sqlLen uintptr, format []byte, formatLen uintptr) unsafe.Pointer
	streamQuery func(conn unsafe.Pointer, sql []byte, sqlLen uintptr, format []byte, formatLen uintptr) unsafe.Pointer
	fetch       func(conn, stream unsafe.Pointer) unsafe.Pointer
	cancel      func(conn, stream unsafe.Pointer)
	classify    func(conn unsafe.Pointer, sql []byte, sqlLen uintptr, db unsafe.Pointer, dbLen uintptr, out *analysis) int32

	resultBuffer  func(result unsafe.Pointer) unsafe.Pointer
	resultLength  func(result unsafe.Pointer) uintptr
	resultError   func(result unsafe.Pointer) string
	resultDestroy func(result unsafe.Pointer)

	insert        func(conn unsafe.Pointer, sql []byte, sqlLen uintptr, format []byte, formatLen uintptr) unsafe.Pointer
	insertAppend  func(stream unsafe.Pointer, data []byte, n uintptr) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertCancel  func(stream unsafe.Pointer)
	insertError   func(stream unsafe.Pointer) string
	insertDestroy func(stream unsafe.Pointer)
}

// bind loads the library and resolves every function of capi. All of them or none: a library that lacks one is
// another version, and calling through a signature of the pinned one could corrupt memory.
func bind(path string) (*capi, error) {
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading the ClickHouse engine: %w", err)
	}
	c := &capi{}
	for _, f := range []struct {
		name string
		ptr  any
	}{
		{"chdb_set_signal_handlers_enabled", &c.disableSignals},
		{"chdb_connect", &c.connect},
		{"chdb_close_conn", &c.closeConn},
		{"chdb_shutdown", &c.shutdown},
		{"chdb_query_n", &c.query},
		{"chdb_stream_query_n", &c.streamQuery},
		{"chdb_stream_fetch_result", &c.fetch},
		{"chdb_stream_cancel_query", &c.cancel},
		{"chdb_classify_query_n", &c.classify},
		{"chdb_result_buffer", &c.resultBuffer},
		{"chdb_result_length", &c.resultLength},
		{"chdb_result_error", &c.resultError},
		{"chdb_destroy_query_result", &c.resultDestroy},
		{"chdb_stream_insert_n", &c.insert},
		{"chdb_stream_append", &c.insertAppend},
		{"chdb_stream_done", &c.insertDone},
		{"chdb_stream_cancel_insert", &c.insertCancel},
		{"chdb_stream_insert_error", &c.insertError},
		{"chdb_destroy_insert_stream", &c.insertDestroy},
	} {
		addr, err := purego.Dlsym(lib, f.name)
		if err != nil {
			return nil, fmt.Errorf("the ClickHouse engine %s has no %s: it is not version %s", path, f.name, Version)
		}
		purego.RegisterFunc(f.ptr, addr)
	}
	return c, nil
}

// engine is the loaded engine on one data directory. It is safe for concurrent use; a session is not.
type engine struct {
	c    *capi
	argv []*byte // C strings; the engine may keep them
	// anchor is a connection nobody uses. When the last connection closes, the engine takes itself down, and the next
	// one starts it again with new thread pools beside the old ones: 60 ms a request, until the threads run out.
	anchor *session
}

// openEngine loads the library at path and starts the engine with the given command line.
func openEngine(path string, args ...string) (*engine, error) {
	c, err := bind(path)
	if err != nil {
		return nil, err
	}
	// The engine's handlers for SIGSEGV and others would replace the Go runtime's.
	c.disableSignals(0)

	e := &engine{c: c}
	for _, a := range append([]string{"clickhouse"}, args...) {
		e.argv = append(e.argv, unsafe.SliceData(append([]byte(a), 0)))
	}
	e.anchor, err = e.session()
	if err != nil {
		return nil, err
	}
	return e, nil
}

// version asks the engine its version, which differs from the library's.
func (e *engine) version() (string, error) {
	v, err := e.anchor.query("SELECT version()", "TabSeparatedRaw")
	if err != nil {
		return "", fmt.Errorf("asking the ClickHouse engine its version: %w", err)
	}
	return strings.TrimSpace(string(v)), nil
}

// shutdown ends the engine's threads and closes its files. Every session must be closed before.
func (e *engine) shutdown() error {
	e.anchor.close()
	if e.c.shutdown() != 0 {
		return errors.New("the ClickHouse engine could not stop all its threads")
	}
	return nil
}

// session is one connection to the engine, with settings, role and current database of its own. It costs less than
// a tenth of a millisecond, so each HTTP request gets a fresh one and no state can leak to the next.
type session struct {
	c      *capi
	handle unsafe.Pointer // chdb_connection *
	conn   unsafe.Pointer // chdb_connection
}

func (e *engine) session() (*session, error) {
	// Every connection names the path: the engine compares it with the one it runs on.
	handle := e.c.connect(int32(len(e.argv)), e.argv)
	if handle == nil {
		return nil, errors.New("the ClickHouse engine refused to start on this data directory")
	}
	return &session{c: e.c, handle: handle, conn: *(*unsafe.Pointer)(handle)}, nil
}

func (s *session) close() { s.c.closeConn(s.handle) }

// result copies what a finished call returned and frees it.
func (s *session) result(r unsafe.Pointer) ([]byte, error) {
	if r == nil {
		return nil, &engineError{Code: codeUnknown, Message: "the engine returned nothing"}
	}
	defer s.c.resultDestroy(r)
	if msg := s.c.resultError(r); msg != "" {
		return nil, parseEngineError(msg)
	}
	n := s.c.resultLength(r)
	if n == 0 {
		return nil, nil
	}
	out := make([]byte, n)
	copy(out, unsafe.Slice((*byte)(s.c.resultBuffer(r)), n))
	return out, nil
}

// query runs any statement and returns its whole output.
func (s *session) query(sql, format string) ([]byte, error) {
	q, f := []byte(sql), []byte(format)
	return s.result(s.c.query(s.conn, q, uintptr(len(q)), f, uintptr(len(f))))
}

// rows runs a SELECT and calls write for each chunk of its output, so that a result of any size needs the memory of
// a few blocks. The chunk is engine memory and only valid during the call. The engine refuses other statements here.
func (s *session) rows(sql, format string, write func([]byte) error) error {
	q, f := []byte(sql), []byte(format)
	stream := s.c.streamQuery(s.conn, q, uintptr(len(q)), f, uintptr(len(f)))
	if stream == nil {
		return &engineError{Code: codeUnknown, Message: "the engine returned nothing"}
	}
	defer s.c.resultDestroy(stream)
	if msg := s.c.resultError(stream); msg != "" {
		return parseEngineError(msg)
	}
	for {
		done, err := s.chunk(stream, write)
		if err != nil {
			s.c.cancel(s.conn, stream)
		}
		if done || err != nil {
			return err
		}
	}
}

func (s *session) chunk(stream unsafe.Pointer, write func([]byte) error) (done bool, err error) {
	r := s.c.fetch(s.conn, stream)
	if r == nil {
		return true, nil
	}
	defer s.c.resultDestroy(r)
	if msg := s.c.resultError(r); msg != "" {
		return true, parseEngineError(msg)
	}
	n := s.c.resultLength(r)
	if n == 0 {
		return true, nil
	}
	return false, write(unsafe.Slice((*byte)(s.c.resultBuffer(r)), n))
}

// analysis mirrors chdb_query_analysis_v1.
type analysis struct {
	size       uint32
	Statements uint32
	Flags      uint32
	Class      queryClass
}

type queryClass uint32

// The engine's classes of a statement, by what outlives it.
const (
	classRead    queryClass = 0 // SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS, CHECK
	classControl queryClass = 3 // SET, USE, KILL, SYSTEM, INTO OUTFILE, …
	classUnknown queryClass = 4 // doesn't parse
)

// classify asks the engine's own parser what a text would do, without running it.
func (s *session) classify(sql string) (analysis, error) {
	a := &analysis{size: uint32(unsafe.Sizeof(analysis{}))}
	q := []byte(sql)
	if s.c.classify(s.conn, q, uintptr(len(q)), nil, 0, a) != 0 {
		return analysis{}, &engineError{Code: codeUnknown, Message: "the engine could not classify the statement"}
	}
	return *a, nil
}

// insertion is a streaming INSERT. Exactly one of commit and abort ends it.
type insertion struct {
	s      *session
	stream unsafe.Pointer
}

// insert starts an INSERT whose data follows in format. sql has neither a FORMAT clause nor data.
func (s *session) insert(sql, format string) (*insertion, error) {
	q, f := []byte(sql), []byte(format)
	in := &insertion{s: s, stream: s.c.insert(s.conn, q, uintptr(len(q)), f, uintptr(len(f)))}
	if err := in.err(); err != nil {
		s.c.insertDestroy(in.stream)
		return nil, err
	}
	return in, nil
}

func (in *insertion) err() error {
	if msg := in.s.c.insertError(in.stream); msg != "" {
		return parseEngineError(msg)
	}
	return nil
}

// Write hands the engine the next bytes, cut anywhere. It blocks while the engine is behind.
func (in *insertion) Write(p []byte) (int, error) {
	if len(p) == 0 || in.s.c.insertAppend(in.stream, p, uintptr(len(p))) == 0 {
		return len(p), nil
	}
	if err := in.err(); err != nil {
		return 0, err
	}
	return 0, &engineError{Code: codeUnknown, Message: "the engine took no more data"}
}

func (in *insertion) commit() error {
	defer in.s.c.insertDestroy(in.stream)
	_, err := in.s.result(in.s.c.insertDone(in.stream))
	return err
}

func (in *insertion) abort() {
	in.s.c.insertCancel(in.stream)
	in.s.c.insertDestroy(in.stream)
}

// engineError is an error of the engine or of the interface, with ClickHouse's number for it.
type engineError struct {
	Code    int
	Message string // without "Code: N. "
}

func (e *engineError) Error() string { return fmt.Sprintf("Code: %d. %s", e.Code, e.Message) }

// ClickHouse's numbers for the errors that are raised here and not in the engine.
const (
	codeSyntax         = 62
	codeUnknownSetting = 115
	codeReadOnly       = 164
	codeTooLarge       = 307
	codeDenied         = 497
	codeAuth           = 516
	codeUnknown        = 1002
)

func parseEngineError(msg string) error {
	// Compiled per error: errors are rare and a package-level value would be mutable state.
	m := regexp.MustCompile(`(?s)Code: (\d+)\. (.*)`).FindStringSubmatch(msg)
	if m == nil {
		return &engineError{Code: codeUnknown, Message: "DB::Exception: " + strings.TrimSpace(msg)}
	}
	code, err := strconv.Atoi(m[1])
	if err != nil || code == 0 {
		code = codeUnknown
	}
	return &engineError{Code: code, Message: strings.TrimSpace(m[2])}
}
