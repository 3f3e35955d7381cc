package tap

import (
	"io"
	"os"
	"os/exec"
)

// passed are the signals that the server gets when the tap gets them. Windows sends
// Ctrl-C to every process of the console by itself; here it is only caught.
func passed() []os.Signal { return []os.Signal{os.Interrupt} }

func swallowed() []os.Signal { return nil }

// terminate ends the server.
func terminate(p *os.Process) error { return p.Kill() }

func exitCode(state *os.ProcessState) int { return state.ExitCode() }

// startCode is the exit code of a shell for a command that cannot be started.
func startCode(err error) int {
	if isAny(err, exec.ErrNotFound, os.ErrNotExist) {
		return 127
	}
	return 126
}

// readNow has nothing to do: pipes have no deadlines here, so nobody is woken to call it.
func readNow(*os.File, []byte) (int, error) { return 0, io.EOF }
