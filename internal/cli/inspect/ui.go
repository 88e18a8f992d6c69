package inspect

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/terminal"
	"github.com/envgraft/envgraft/internal/ui"
	"github.com/envgraft/envgraft/internal/ui/live"
)

type uiFlags struct {
	kube   cmdutil.KubeFlags
	all    bool
	listen string
}

// NewUI returns the command.
func NewUI(streams cmdutil.Streams) *cobra.Command {
	var flags uiFlags
	command := &cobra.Command{
		Use:         "ui [-A]",
		Annotations: map[string]string{cmdutil.AnnotationDrains: "true"},
		Short:       "Show the apps in a browser: their chains from SSM to the pods",
		Long: `Serve a read-only page on this machine, until it is interrupted: the apps of a
namespace, or of all, each with its chain from the parameter to the pods, what is
broken and the command that fixes it, and where each variable of a container
comes from. No value of a variable is on the pages.

It reads with your rights and changes nothing. Whoever may open connections on
this machine sees what you may see, as with kubectl proxy.

In a cluster, server.uiListen serves the same pages from envgraft's own pods, with
envgraft's rights: kubectl port-forward reaches them, and nobody else.

Exit code 0: interrupted. 2: the command line was not understood. 3: it could not
look, as without a cluster.`,
		Example: `  envgraft ui -A
  envgraft ui -n shop --listen 127.0.0.1:9000`,
		Args: func(command *cobra.Command, args []string) error {
			if err := config.CheckLoopback(flags.listen); err != nil {
				return fmt.Errorf("--listen is %q: it %w", flags.listen, err)
			}
			return cobra.NoArgs(command, args)
		},
		RunE: func(command *cobra.Command, _ []string) error { return flags.serve(command, streams.Out) },
	}
	flags.kube.Add(command)
	flags.kube.AddNamespace(command)
	cmdutil.Complete(command, "namespace", flags.kube.CompleteNamespaces)
	command.Flags().BoolVarP(&flags.all, "all-namespaces", "A", false, "all namespaces")
	command.Flags().StringVar(&flags.listen, "listen", "127.0.0.1:8084", "loopback `address` to serve on; port 0 for one that is free")
	return command
}

func (f *uiFlags) serve(command *cobra.Command, out io.Writer) error {
	c, err := f.kube.Open()
	if err != nil {
		return cmdutil.Unchecked(err)
	}
	settings, err := f.kube.Settings(command, c)
	if err != nil {
		return cmdutil.Unchecked(err)
	}
	source := &live.Source{
		Reader: c.Reader, Namespace: c.Namespace, Installation: f.kube.Installation,
		Settings: settings,
	}
	if f.all {
		source.Namespace = ""
	}
	if err := source.Check(command.Context()); err != nil {
		return cmdutil.Unchecked(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(command.Context(), "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("cannot serve on %q: %w; --listen 127.0.0.1:0 takes a port that is free", f.listen, err)
	}
	if _, err := terminal.Fprintf(out, "http://%s%s\n", listener.Addr(), ui.Path); err != nil {
		return errors.Join(err, listener.Close())
	}
	return ui.Serve(command.Context(), listener, source)
}
