package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli"
)

// commands describes every command by its own help.
func commands() string {
	root := cli.New(cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	var text strings.Builder
	fmt.Fprintf(&text, notice, "internal/cli")
	text.WriteString("# Commands\n\n`envgraft COMMAND --help` says the same. As a kubectl plugin the program is `kubectl envgraft`.\n")
	describe(&text, root)
	return text.String()
}

func describe(text *strings.Builder, command *cobra.Command) {
	if command.Hidden || command.Name() == "completion" || command.Name() == "help" {
		return
	}
	if command.HasParent() {
		describeOne(text, command)
	}
	for _, child := range command.Commands() {
		describe(text, child)
	}
}

// describeOne writes what the command's own help has, as it has it.
func describeOne(text *strings.Builder, command *cobra.Command) {
	fmt.Fprintf(text, "\n## %s\n\n%s.\n", command.CommandPath(), command.Short)
	usage := ""
	if command.Runnable() {
		usage = command.UseLine()
	}
	for _, part := range []string{usage, strings.TrimSpace(command.Long), command.Example, command.LocalFlags().FlagUsages()} {
		if part != "" {
			fmt.Fprintf(text, "\n```text\n%s\n```\n", strings.TrimRight(part, "\n"))
		}
	}
}
