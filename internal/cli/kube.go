package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// kubeFlags are kubectl's own, by client-go's own names, and where envgraft
// itself is installed. k8s.io/cli-runtime has the same flags, and would bring
// kustomize along.
type kubeFlags struct {
	kubeconfig string
	overrides  clientcmd.ConfigOverrides
	// config is the configuration file of the cluster's envgraft; empty to read
	// it in the cluster.
	config string
	// installation is where the configuration is read.
	installation string
}

// add adds them, but for -n.
func (f *kubeFlags) add(command *cobra.Command) {
	flags := command.Flags()
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ClusterOverrideFlags.APIServer.ShortName = "s"
	// Passwords are no longer taken by API servers, and -n is bound below where
	// its meaning is said.
	names.AuthOverrideFlags.Username.LongName, names.AuthOverrideFlags.Password.LongName = "", ""
	names.ContextOverrideFlags.Namespace.LongName = ""
	clientcmd.BindOverrideFlags(&f.overrides, flags, names)
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "`file` with the clusters, over KUBECONFIG")
	flags.StringVar(&f.installation, "installation", clusterview.DefaultInstallationNamespace+"/"+clusterview.DefaultInstallationName,
		"`namespace/name` of the ConfigMap with the cluster's configuration of envgraft")
	if flags.Lookup("config") == nil {
		flags.StringVar(&f.config, "config", "", "configuration `file`, over the one in the cluster (docs/configuration.md)")
	}
	complete(command, "namespace", f.completeNamespaces)
	complete(command, "context", f.completeContexts)
}

// addNamespace adds kubectl's -n.
func (f *kubeFlags) addNamespace(command *cobra.Command) {
	command.Flags().StringVarP(&f.overrides.Context.Namespace, "namespace", "n", "", "`name` of the namespace; default: the kubeconfig's")
}

// loader reads the kubeconfig as kubectl does.
func (f *kubeFlags) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &f.overrides)
}

// session is a cluster to ask, and the namespace that is meant.
type session struct {
	*clusterview.Reader

	namespace string
}

// open prepares to ask. It asks nothing yet.
func (f *kubeFlags) open() (*session, error) {
	loader := f.loader()
	restConfig, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster is configured: set KUBECONFIG, or give --kubeconfig; with -f FILE no cluster is needed")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig: %s", oneLine(err))
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig: %s", oneLine(err))
	}
	reader, err := clusterview.NewReader(clusterview.Prepare(restConfig, buildVersion()))
	if err != nil {
		return nil, err
	}
	return &session{Reader: reader, namespace: namespace}, nil
}

// settings are the configuration file's, else those of the cluster.
func (f *kubeFlags) settings(command *cobra.Command, c *session) (clusterview.Settings, error) {
	if f.config != "" {
		loaded, err := loadConfig(f.config)
		return clusterview.Settings{Configuration: loaded, From: f.config}, err
	}
	namespace, name, found := strings.Cut(f.installation, "/")
	if !found {
		return clusterview.Settings{}, fmt.Errorf("--installation is %q: use NAMESPACE/NAME", f.installation)
	}
	return c.Settings(command.Context(), namespace, name), nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
