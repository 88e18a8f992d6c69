package cmdutil

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// completionTimeout bounds what a person waits who pressed the tab key.
const completionTimeout = 3 * time.Second

// Complete registers a flag's completion, where the command has the flag.
func Complete(command *cobra.Command, flag string, completer cobra.CompletionFunc) {
	if command.Flags().Lookup(flag) == nil {
		return
	}
	if err := command.RegisterFlagCompletionFunc(flag, completer); err != nil {
		panic(err) // registered twice
	}
}

// quickly opens the cluster for a completion; nil where none is configured.
func (f *KubeFlags) quickly() *Session {
	f.Overrides.Timeout = completionTimeout.String()
	c, err := f.Open()
	if err != nil {
		return nil
	}
	return c
}

// CompleteNamespaces completes the names of namespaces.
func (f *KubeFlags) CompleteNamespaces(command *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	c := f.quickly()
	if c == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return starting(clusterview.Names(command.Context(), c.Reader, "", ""), prefix), cobra.ShellCompDirectiveNoFileComp
}

func (f *KubeFlags) completeContexts(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	raw, err := f.Loader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for name := range raw.Contexts {
		names = append(names, name)
	}
	slices.Sort(names)
	return starting(names, prefix), cobra.ShellCompDirectiveNoFileComp
}

// CompleteWorkloads completes "deploy/shop": the kind first, then the name.
func (f *KubeFlags) CompleteWorkloads(command *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	kind, name, found := strings.Cut(prefix, "/")
	if !found {
		var kinds []string
		for _, alias := range clusterview.Aliases() {
			kinds = append(kinds, alias+"/")
		}
		return starting(kinds, prefix), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	if flag := command.Flags().Lookup("namespace"); flag != nil {
		f.Overrides.Context.Namespace = flag.Value.String()
	}
	c := f.quickly()
	if c == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, n := range starting(clusterview.Names(command.Context(), c.Reader, kind, c.Namespace), name) {
		names = append(names, kind+"/"+n)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func starting(names []string, prefix string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}
