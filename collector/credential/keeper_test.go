package credential_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/mcpwatch/mcpwatch/collector/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAFileIsTakenAnewAndABrokenOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(source, token string) string {
		return fmt.Sprintf("tokens:\n  - {tenant: acme, source: %s, sha256: %q}\n", source, hash(token))
	}
	write("tokens: []\n")
	if _, err := credential.Open(path, time.Now); err == nil {
		t.Error("a file that lets nobody in is no beginning")
	}
	write(entry("one", "a"))
	keeper, err := credential.Open(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	hangups := make(chan os.Signal)
	var following sync.WaitGroup
	following.Go(func() { keeper.Follow(ctx, hangups, zerolog.Nop()) })
	defer following.Wait()
	defer stop()
	source := func(token string) string {
		hangups <- os.Interrupt // is looked at before the next is taken
		hangups <- os.Interrupt
		who, err := keeper.Set().Identify(t.Context(), credential.Presented{Authorization: "Bearer " + token})
		if err != nil {
			return reason(err)
		}
		return who.Source
	}
	for _, step := range []struct {
		file, token, want string
		refused           bool
	}{
		{entry("one", "a"), "a", "one", false},
		{entry("two", "b"), "b", "two", false},
		{entry("two", "b"), "a", credential.ReasonToken, false},
		{"tokens: [", "b", "two", true},
		{entry("three", "c"), "c", "three", false},
		{"tokens: []\n", "c", credential.ReasonToken, false},
	} {
		write(step.file)
		if got := source(step.token); got != step.want || keeper.Refused() != step.refused {
			t.Errorf("%q: token %s is %q, refused %v; want %q, %v", step.file, step.token, got, keeper.Refused(), step.want, step.refused)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := source("c"); got != credential.ReasonToken || !keeper.Refused() {
		t.Errorf("without the file: %q, refused %v", got, keeper.Refused())
	}
}
