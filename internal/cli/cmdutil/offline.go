package cmdutil

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/offline"
)

// OfflineFlags are those of the commands that work on files.
type OfflineFlags struct {
	offline.Options

	Config string
}

// OfflineLong is the part of the help that these commands share.
const OfflineLong = `
It reads Pods and the templates of Deployments, StatefulSets, DaemonSets,
ReplicaSets, ReplicationControllers, Jobs, CronJobs, PodTemplates and Argo
Rollouts, also in Lists, and of other kinds by --template-path. Namespaces and
ConfigMaps among the documents are what is known of them; --namespace-labels
stands in for a Namespace that is not there. With --parameters, the file
DIR/popapps/myapp/stage/app.json is the parameter /popapps/myapp/stage/app;
without, parameters count as not checked.`

// Add adds them.
func (f *OfflineFlags) Add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVarP(&f.Files, "filename", "f", nil, "`file`, directory (read recursively) or - for standard input; may be repeated")
	flags.StringVarP(&f.Namespace, "namespace", "n", "",
		"`name` of the namespace; default: the kubeconfig's, and for objects of files that state none, "+offline.DefaultNamespace)
	flags.StringVar(&f.Parameters, "parameters", "", "`directory` that stands for SSM")
	flags.StringVar(&f.Config, "config", "", "configuration `file` of the cluster's envgraft (docs/configuration.md)")
	flags.StringToStringVar(&f.NamespaceLabels, "namespace-labels", nil, "labels, as `key=value,…`, of namespaces that are not among the documents")
	flags.StringArrayVar(&f.TemplatePaths, "template-path", nil,
		"`KIND=PATH` of pod templates in another kind, as CloneSet=/spec/template or JobSet=/spec/replicatedJobs/*/template/spec/template; may be repeated")
	for _, err := range []error{
		command.MarkFlagDirname("parameters"),
		command.MarkFlagFilename("config", "yaml", "yml"),
	} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
}

// GraftAll reads the documents and grafts all that is in them.
func (f *OfflineFlags) GraftAll(ctx context.Context, streams Streams) (*manifest.Stream, []offline.Outcome, error) {
	c, err := LoadConfig(f.Config)
	if err != nil {
		return nil, nil, err
	}
	o, err := f.Open(c.Engine(), streams.In, streams.Err)
	if err != nil {
		return nil, nil, err
	}
	defer o.Close()
	outcomes, err := o.Graft(ctx)
	return o.Stream, outcomes, err
}

// LoadConfig reads a configuration for work on files.
func LoadConfig(path string) (*config.Configuration, error) {
	c := config.Default()
	if path != "" {
		loaded, err := config.Load(path)
		if err != nil {
			return nil, err
		}
		c = loaded
	}
	if err := c.Validate(config.ModeLocal); err != nil {
		return nil, fmt.Errorf("the configuration is not valid:\n%w", err)
	}
	return c, nil
}
