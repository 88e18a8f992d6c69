package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

// commands describes every command by its own help.
func commands() string {
	root := cli.New(cmdutil.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	var text strings.Builder
	fmt.Fprintf(&text, notice, "internal/cli")
	text.WriteString("# Commands\n\nFor everyone who runs envgraft's commands. `envgraft COMMAND --help` prints the same. As a kubectl plugin the program\n" +
		"is `kubectl envgraft`. Commands that read a cluster also accept the [flags of kubectl](#flags-of-kubectl).\n")
	describe(&text, root)
	text.WriteString("\n## Flags of kubectl\n\nThese choose the cluster and the user, as kubectl's do.\n\n```text\n" + kubectlFlags().FlagUsages() + "```\n")
	return text.String()
}

// kubectlFlags are those that kubectl has too.
func kubectlFlags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("kubectl", pflag.ContinueOnError)
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ClusterOverrideFlags.APIServer.ShortName = "s"
	names.AuthOverrideFlags.Username.LongName, names.AuthOverrideFlags.Password.LongName = "", ""
	names.ContextOverrideFlags.Namespace.LongName = ""
	clientcmd.BindOverrideFlags(&clientcmd.ConfigOverrides{}, flags, names)
	flags.String("kubeconfig", "", "`file` with the clusters, over KUBECONFIG")
	return flags
}

// ownFlags are a command's flags without kubectl's.
func ownFlags(command *cobra.Command) *pflag.FlagSet {
	kubectl, own := kubectlFlags(), pflag.NewFlagSet(command.Name(), pflag.ContinueOnError)
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if kubectl.Lookup(flag.Name) == nil {
			own.AddFlag(flag)
		}
	})
	return own
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
	for _, part := range []string{usage, strings.TrimSpace(command.Long), command.Example, ownFlags(command).FlagUsages()} {
		if part != "" {
			fmt.Fprintf(text, "\n```text\n%s\n```\n", strings.TrimRight(part, "\n"))
		}
	}
}
