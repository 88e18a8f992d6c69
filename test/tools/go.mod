// Each tool has a modfile of its own here, so that neither the project nor
// another tool shares its dependencies. This one is empty: it makes the folder
// a module, for `go mod tidy -modfile=kind.mod` to see the tool and not the
// packages of the project.
module github.com/envgraft/envgraft/test/tools

go 1.26.0
