// Package architecture holds the layers of this module: which package may import which, and the one place that each
// large dependency (CEL, kafka-go, clickhouse-go, nats.go, the embedded servers) may be used in.
//
// It has no code that runs, only a test. The test reads the import clauses of every Go file under the module's root,
// whatever its build constraints, and knows nothing of how the code is built, so it also judges files that do not
// compile here. The linter's depguard section in .golangci.yml states the same lines a second time, for editors: a
// change of the layers changes both.
package architecture
