package cmdutil

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/version"
)

// KubeFlags are kubectl's own, by client-go's own names, and where envgraft
// itself is installed. k8s.io/cli-runtime has the same flags, and would bring
// kustomize along.
type KubeFlags struct {
	kubeconfig string
	Overrides  clientcmd.ConfigOverrides
	// Config is the configuration file of the cluster's envgraft; empty to read
	// it in the cluster.
	Config string
	// Installation is where the configuration is read.
	Installation string
}

// Add adds them, but for -n.
func (f *KubeFlags) Add(command *cobra.Command) {
	flags := command.Flags()
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ClusterOverrideFlags.APIServer.ShortName = "s"
	// Passwords are no longer taken by API servers, and -n is bound below where
	// its meaning is said.
	names.AuthOverrideFlags.Username.LongName, names.AuthOverrideFlags.Password.LongName = "", ""
	names.ContextOverrideFlags.Namespace.LongName = ""
	clientcmd.BindOverrideFlags(&f.Overrides, flags, names)
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "`file` with the clusters, over KUBECONFIG")
	flags.StringVar(&f.Installation, "installation", clusterview.DefaultInstallationNamespace+"/"+clusterview.DefaultInstallationName,
		"`namespace/name` of the ConfigMap with the cluster's configuration of envgraft")
	if flags.Lookup("config") == nil {
		flags.StringVar(&f.Config, "config", "", "configuration `file`, over the one in the cluster (docs/configuration.md)")
	}
	Complete(command, "namespace", f.CompleteNamespaces)
	Complete(command, "context", f.completeContexts)
}

// AddNamespace adds kubectl's -n.
func (f *KubeFlags) AddNamespace(command *cobra.Command) {
	command.Flags().StringVarP(&f.Overrides.Context.Namespace, "namespace", "n", "", "`name` of the namespace; default: the kubeconfig's")
}

// Loader reads the kubeconfig as kubectl does.
func (f *KubeFlags) Loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &f.Overrides)
}

// Session is a cluster to ask, and the namespace that is meant.
type Session struct {
	*clusterview.Reader

	Namespace string
}

// Open prepares to ask. It asks nothing yet.
func (f *KubeFlags) Open() (*Session, error) {
	loader := f.Loader()
	restConfig, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster is configured: set KUBECONFIG, or give --kubeconfig; with -f FILE no cluster is needed")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig: %s", OneLine(err))
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig: %s", OneLine(err))
	}
	reader, err := clusterview.NewReader(clusterview.Prepare(restConfig, version.String()))
	if err != nil {
		return nil, err
	}
	return &Session{Reader: reader, Namespace: namespace}, nil
}

// Settings are the configuration file's, else those of the cluster.
func (f *KubeFlags) Settings(command *cobra.Command, c *Session) (clusterview.Settings, error) {
	if f.Config != "" {
		loaded, err := LoadConfig(f.Config)
		return clusterview.Settings{Configuration: loaded, From: f.Config}, err
	}
	namespace, name, found := strings.Cut(f.Installation, "/")
	if !found {
		return clusterview.Settings{}, fmt.Errorf("--installation is %q: use NAMESPACE/NAME", f.Installation)
	}
	return c.Settings(command.Context(), namespace, name), nil
}

// OneLine is an error without line breaks.
func OneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
