//go:build unix

package tap

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestSignalsReachTheServer(t *testing.T) {
	cmd, stdin, stdout := tapProcess(t, tapConfig{Instance: "S1", SpoolDir: t.TempDir(), Mode: "signals"}, nil)
	lines := bufio.NewReader(stdout)
	expect := func(want string) {
		t.Helper()
		if got, err := lines.ReadString('\n'); got != want+"\n" {
			t.Fatalf("server said %q (%v), want %q", got, err, want)
		}
	}
	expect("ready")
	for _, sig := range []syscall.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
	} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		expect(sig.String())
	}
	stdin.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 5 {
		t.Errorf("tap ended with %v", err)
	}
}

func TestDeathBySignalIsAnExitCode(t *testing.T) {
	cmd, _, stdout := tapProcess(t, tapConfig{Instance: "S2", SpoolDir: t.TempDir(), Mode: "echo"}, nil)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout)
	_ = cmd.Wait()
	// Before the tap has set itself up, SIGTERM ends the tap itself, which the agent cannot
	// tell from a server that is as slow to start.
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.ExitStatus() != 143 && ws.Signal() != syscall.SIGTERM {
		t.Errorf("tap ended with %v", cmd.ProcessState)
	}
}

// After the server's end nothing waits for a collector that hangs once a signal comes.
func TestSignalAfterTheServersEndEndsTheTap(t *testing.T) {
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hung.Close()
	log, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd, _, _ := tapProcess(t, tapConfig{
		Instance: "H1", SpoolDir: t.TempDir(), Endpoint: hung.URL, Mode: "exit", Args: []string{"4"},
	}, stderr)
	stderr.Close()
	for messages := bufio.NewScanner(log); !strings.Contains(messages.Text(), "the server has ended"); {
		if !messages.Scan() {
			t.Fatal("the server does not end")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 4 {
		t.Errorf("exit code %d, want the server's", code)
	}
}
