package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScript runs the command line as people do. Each script finds two small rules in
// $WORK/rules, so that the shipped ones may change without changing what is expected.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "", // rewrites what cmp expects
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exitcode": exitCodeIs},
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			return os.CopyFS(filepath.Join(e.WorkDir, "rules"), os.DirFS("testdata/script/rules"))
		},
	})
}

// exitCodeIs is the script command "exitcode CODE COMMAND…": it must fail with that code.
func exitCodeIs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	if got := fmt.Sprint(err); got != fmt.Sprintf("exit status %d", want) {
		ts.Fatalf("%s ended with %q, want exit status %d", args[1], got, want)
	}
}
