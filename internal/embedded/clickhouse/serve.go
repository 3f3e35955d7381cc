//go:build darwin || linux

package clickhouse

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What one request may cost.
const (
	maxSQL      = 1 << 20
	maxInsert   = 256 << 20
	maxInflight = 16
)

// handler is ClickHouse's HTTP interface over an engine, as far as clickhouse-go, Grafana and curl use it. It holds
// no session: each request gets a fresh connection to the engine and drops it.
type handler struct {
	engine  *engine
	version string
	users   map[string][sha256.Size]byte // user → hash of the password
	slots   chan struct{}
	kills   sync.WaitGroup
}

func newHandler(e *engine, version string, writer, analyst Credentials) *handler {
	return &handler{
		engine: e, version: version, slots: make(chan struct{}, maxInflight),
		users: map[string][sha256.Size]byte{
			writer.User:  sha256.Sum256([]byte(writer.Password)),
			analyst.User: sha256.Sum256([]byte(analyst.Password)),
		},
	}
}

// ServeHTTP answers GET /ping for everybody and a query on / for who has a password.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping" && r.Method == http.MethodGet:
		_, _ = io.WriteString(w, "Ok.\n")
		return
	case r.URL.Path != "/":
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		http.Error(w, "GET or POST, please", http.StatusMethodNotAllowed)
		return
	}
	user, ok := h.authenticate(r)
	if !ok {
		writeError(w, &engineError{
			Code:    codeAuth,
			Message: "DB::Exception: Authentication failed: the password is wrong or there is no such user. (AUTHENTICATION_FAILED)",
		})
		return
	}

	out := newOutput(w, r.URL.Query())
	if err := h.query(out, r, user == analystUser); err != nil {
		out.fail(err)
	}
}

// authenticate returns the user of a request. The password of an unknown user is compared too, with nothing, so that
// the time taken doesn't tell which users exist. Passwords in the URL are not read: URLs end up in logs.
func (h *handler) authenticate(r *http.Request) (user string, ok bool) {
	user, password := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	if user == "" {
		user, password, _ = r.BasicAuth()
	}
	got := sha256.Sum256([]byte(password))
	want, known := h.users[user]
	return user, subtle.ConstantTimeCompare(got[:], want[:]) == 1 && known
}

// query runs the statement of a request on a session of its own.
func (h *handler) query(out *output, r *http.Request, analyst bool) error {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return r.Context().Err()
	}

	q := r.URL.Query()
	sql, body, format, err := statement(r, q)
	if err != nil {
		return err
	}
	if strings.TrimSpace(sql) == helloSQL && q.Has("client_protocol_version") {
		return h.hello(out, q)
	}

	s, err := h.engine.session()
	if err != nil {
		return err
	}
	defer s.close()
	id := rand.Text()
	prepare, err := sessionSQL(q, analyst, id)
	if err != nil {
		return err
	}
	for _, p := range prepare {
		if _, err := s.query(p, "Null"); err != nil {
			return err
		}
	}
	if analyst {
		if err := guardAnalyst(s, sql); err != nil {
			return err
		}
	}
	if body != nil {
		if analyst {
			return &engineError{Code: codeReadOnly, Message: "DB::Exception: the analyst only reads. (READONLY)"}
		}
		return insertBody(s, sql, format, body)
	}
	return h.run(out, r, s, sql, format, id)
}

// run executes a statement without a body and writes its result.
func (h *handler) run(out *output, r *http.Request, s *session, sql, format, id string) error {
	a, err := s.classify(sql)
	if err != nil {
		return err
	}
	word := keyword(sql)
	selects := word == "SELECT" || word == "WITH" || word == "FROM"
	switch {
	case a.Statements > 1:
		return &engineError{Code: codeSyntax, Message: "DB::Exception: one statement at a time, please. (SYNTAX_ERROR)"}
	case r.Method == http.MethodGet && a.Class != classRead:
		return &engineError{Code: codeReadOnly, Message: "DB::Exception: GET runs only what is known to read; use POST. (READONLY)"}
	case a.Class == classControl && (selects || word == "SHOW" || word == "DESCRIBE" || word == "DESC" || word == "EXPLAIN" || word == "EXISTS"):
		// A reading statement that is classed as control writes a file: INTO OUTFILE.
		return &engineError{Code: codeReadOnly, Message: "DB::Exception: INTO OUTFILE isn't possible here. (READONLY)"}
	}

	if a.Class == classRead {
		defer h.killWhenGone(r.Context(), id)()
	}
	if a.Class == classRead && selects {
		return s.rows(sql, format, out.write)
	}
	result, err := s.query(sql, format)
	if err != nil {
		return err
	}
	return out.write(result)
}

// killWhenGone stops the query with this id when ctx ends, that is when the client hangs up. No call of the engine
// interrupts another, so it is killed from a connection of its own, again and again: the first attempts may come
// before the engine has the query in its list. Writes are left alone, as ClickHouse does: their client can't know
// how far they got. The function returned ends the watch.
func (h *handler) killWhenGone(ctx context.Context, id string) (done func()) {
	finished := make(chan struct{})
	h.kills.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer h.kills.Done()
		for {
			h.kill(id)
			select {
			case <-finished:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() {
		close(finished)
		if stop() {
			h.kills.Done()
		}
	}
}

func (h *handler) kill(id string) {
	s, err := h.engine.session()
	if err != nil {
		return // the engine is going down, and the query with it
	}
	defer s.close()
	// An error means there is nothing left to stop, or it is tried again.
	_, _ = s.query("KILL QUERY WHERE Settings['log_comment'] = "+quote(id)+" ASYNC", "Null")
}

// statement reads what a request wants: the SQL, the output format or, when body isn't nil, the data of an INSERT and
// its format. ClickHouse's interface joins ?query= and the body, so an INSERT can be split between them.
func statement(r *http.Request, q url.Values) (sql string, body io.Reader, format string, err error) {
	format = q.Get("default_format")
	if format == "" {
		format = "TabSeparated"
	}
	if !regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`).MatchString(format) {
		return "", nil, "", &engineError{Code: 73, Message: "DB::Exception: unknown default_format. (UNKNOWN_FORMAT)"}
	}
	data := io.Reader(http.MaxBytesReader(nil, r.Body, maxInsert))
	if settingOn(q.Get("decompress")) {
		data = decompress(data)
	}

	sql = q.Get("query")
	if keyword(sql) == "INSERT" {
		// The engine takes the statement without its last clause, and the name of the format apart.
		m := regexp.MustCompile(`(?is)^(.*?)\s+(?:FORMAT\s+([A-Za-z0-9]+)|(VALUES))\s*;?\s*$`).FindStringSubmatch(sql)
		if m != nil && m[3] != "" {
			return m[1], data, "Values", nil
		}
		if m != nil {
			return m[1], data, m[2], nil
		}
	}
	rest, err := io.ReadAll(io.LimitReader(data, maxSQL+1))
	switch {
	case err != nil:
		return "", nil, "", fmt.Errorf("reading the statement: %w", err)
	case len(sql)+len(rest) > maxSQL:
		return "", nil, "", &engineError{
			Code:    codeTooLarge,
			Message: "DB::Exception: the statement is longer than 1 MiB; send the data of an INSERT as the body and the statement as ?query=. (TOO_MANY_BYTES)",
		}
	case strings.TrimSpace(sql) == "" && len(bytes.TrimSpace(rest)) == 0:
		return "", nil, "", &engineError{Code: codeSyntax, Message: "DB::Exception: the statement is empty. (SYNTAX_ERROR)"}
	case sql != "" && len(rest) > 0:
		sql += "\n"
	}
	return sql + string(rest), nil, format, nil
}

// insertBody streams data into the engine. A body that ends too early aborts the insert instead of committing less.
func insertBody(s *session, sql, format string, body io.Reader) error {
	in, err := s.insert(sql, format)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{in}, struct{ io.Reader }{body}, make([]byte, 256<<10)); err != nil {
		in.abort()
		return err
	}
	return in.commit()
}

func settingOn(v string) bool { return v == "1" || v == "true" }

// asEngineError gives every error a ClickHouse number.
func asEngineError(err error) *engineError {
	var e *engineError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &tooLarge):
		return &engineError{Code: codeTooLarge, Message: "DB::Exception: the body is larger than 256 MiB. (TOO_MANY_BYTES)"}
	}
	return &engineError{Code: codeUnknown, Message: "DB::Exception: " + err.Error()}
}

func writeError(w http.ResponseWriter, e *engineError) {
	status := http.StatusInternalServerError
	switch e.Code {
	case codeSyntax, codeUnknownSetting, 73:
		status = http.StatusBadRequest
	case codeReadOnly, codeDenied, codeAuth:
		status = http.StatusForbidden
	case 60, 81:
		status = http.StatusNotFound
	case codeTooLarge:
		status = http.StatusRequestEntityTooLarge
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, e.Error()+"\n") //nolint:gosec // G705: the type is plain text and sniffing is off
}
