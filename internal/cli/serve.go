package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/server"
	"github.com/envgraft/envgraft/internal/version"
)

// localListen is where a standalone server answers unless told otherwise.
const localListen = "127.0.0.1:9443"

// serveFlags are the command's flags.
type serveFlags struct {
	config      string
	listen      string
	certFile    string
	keyFile     string
	ssmEndpoint string

	standalone bool
	parameters string
	manifests  string
	caFile     string
}

// newServe returns the command that runs the webhook.
func newServe(stderr io.Writer) *cobra.Command {
	var flags serveFlags
	var logLevel *cmdutil.Choice
	command := &cobra.Command{
		Use:         "serve",
		Annotations: map[string]string{cmdutil.AnnotationDrains: "true"},
		Short:       "Run the webhook server and, on the leader, the controller",
		Long: `Run the webhook server and, on the leader, the controller of ExternalSecrets.

In a cluster, the chart runs this with --config. What the file holds is in
docs/configuration.md. AWS settings and credentials are those of the standard
chain: IRSA, EKS Pod Identity, AWS_REGION, AWS_PROFILE and so on.

With --standalone it needs neither cluster nor AWS: parameters are files,
Namespaces and ConfigMaps are manifests, and the certificate is made at start.
It answers the same reviews by the same rules, and /healthz, /readyz and
/metrics on the same address. A parameter's file that changes counts within
ten seconds.`,
		Example: `  envgraft serve --config /etc/envgraft/config.yaml

  # DIR/popapps/myapp/stage/app.json is the parameter /popapps/myapp/stage/app
  envgraft serve --standalone --parameters DIR --manifests DIR --ca-file ca.crt`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			log := server.NewLogger(stderr, logLevel.Value == server.LevelDebug)
			c, err := flags.configuration()
			if err != nil {
				return err
			}
			if flags.standalone {
				files := server.Files{Parameters: flags.parameters, Manifests: flags.manifests, CAFile: flags.caFile}
				return server.Standalone(command.Context(), c, files, version.String(), log)
			}
			return server.Cluster(command.Context(), c, version.String(), log)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.config, "config", "", "configuration `file` (docs/configuration.md); required in a cluster")
	f.StringVar(&flags.listen, "listen", "", "`address` of the webhooks, over server.listen (standalone: "+localListen+")")
	f.StringVar(&flags.certFile, "tls-cert-file", "", "`file` of the serving certificate, over server.certificates.certFile")
	f.StringVar(&flags.keyFile, "tls-private-key-file", "", "`file` of its key, over server.certificates.keyFile")
	f.StringVar(&flags.ssmEndpoint, "ssm-endpoint", "", "`URL` of another SSM, over aws.ssmEndpoint and AWS_ENDPOINT_URL_SSM")
	logLevel = cmdutil.AddChoice(command, "log-level", "", "debug logs a line an admission", "info", server.LevelDebug)
	f.BoolVar(&flags.standalone, "standalone", false, "serve without cluster and AWS")
	f.StringVar(&flags.parameters, "parameters", "", "standalone: `directory` that stands for SSM")
	f.StringVar(&flags.manifests, "manifests", "", "standalone: `file or directory` of Namespaces and ConfigMaps")
	f.StringVar(&flags.caFile, "ca-file", "", "standalone: `file` to write the CA of the own certificate to")
	return command
}

// configuration reads the file, lays the flags over it and validates the whole.
func (f serveFlags) configuration() (*config.Configuration, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	c, mode := config.Default(), config.ModeCluster
	if f.config != "" {
		loaded, err := config.Load(f.config)
		if err != nil {
			return nil, err
		}
		c = loaded
	}
	if f.standalone {
		mode = config.ModeLocal
		c.Server.Listen = localListen
	}
	for _, over := range []struct {
		field *string
		flag  string
	}{
		{&c.Server.Listen, f.listen},
		{&c.Server.Certificates.CertFile, f.certFile},
		{&c.Server.Certificates.KeyFile, f.keyFile},
		{&c.AWS.SSMEndpoint, f.ssmEndpoint},
	} {
		if over.flag != "" {
			*over.field = over.flag
		}
	}
	if err := c.Validate(mode); err != nil {
		return nil, fmt.Errorf("the configuration is not valid:\n%w", err)
	}
	return c, nil
}

// validate refuses flags that would do nothing.
func (f serveFlags) validate() error {
	if !f.standalone && f.config == "" {
		return errors.New("--config is required; envgraft serve --standalone runs without")
	}
	if !f.standalone && (f.parameters != "" || f.manifests != "" || f.caFile != "") {
		return errors.New("--parameters, --manifests and --ca-file go with --standalone")
	}
	return nil
}
