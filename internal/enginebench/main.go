// Command enginebench turns the rules of the bench's generator (gen.py; each a JSON object of
// conditions) into rule files of ours, one a rule, with tests:
//
//	enginebench rules-1000.json DIR
//
// Its tests are the benchmarks of the engine: see make bench-engine.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "enginebench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%d arguments, want two: a file of generated rules and a folder to write to", len(args))
	}
	rules, err := readRules(args[0])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(args[1], 0o750); err != nil {
		return fmt.Errorf("writing rules: %w", err)
	}
	for n := range rules {
		file := filepath.Join(args[1], ruleID(n)+".yaml")
		if err := os.WriteFile(file, rules[n].file(n), 0o600); err != nil {
			return fmt.Errorf("writing rules: %w", err)
		}
	}
	return nil
}
