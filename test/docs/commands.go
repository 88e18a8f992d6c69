package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli"
)

// commands describes every command by its own help.
func commands() string {
	root := cli.New(cli.Streams{In: strings.NewReader(""), Out: discard(), Err: discard()})
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
		fmt.Fprintf(text, "\n## %s\n\n%s.\n", command.CommandPath(), command.Short)
		if command.Runnable() {
			fmt.Fprintf(text, "\n```text\n%s\n```\n", command.UseLine())
		}
		if command.Long != "" {
			fmt.Fprintf(text, "\n```text\n%s\n```\n", strings.TrimSpace(command.Long))
		}
		if command.Example != "" {
			fmt.Fprintf(text, "\n```text\n%s\n```\n", strings.TrimRight(command.Example, "\n"))
		}
		if flags := command.LocalFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(text, "\n```text\n%s```\n", flags.FlagUsages())
		}
	}
	for _, child := range command.Commands() {
		describe(text, child)
	}
}
