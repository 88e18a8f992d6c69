package inspect

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/gather"
	"github.com/envgraft/envgraft/internal/parameters"
	"github.com/envgraft/envgraft/internal/terminal"
)

// diagnosis is what doctor says of one workload, or of the installation;
// -o json prints a list of it.
type diagnosis struct {
	// Target is empty for the installation.
	Target    string           `json:"target,omitempty"`
	Namespace string           `json:"namespace,omitempty"`
	Healthy   bool             `json:"healthy"`
	Findings  []doctor.Finding `json:"findings"`
	// NotSeen are the rights that were missing.
	NotSeen []clusterview.Right `json:"notSeen"`
	// resource is what -o name prints.
	resource string
}

type doctorFlags struct {
	kube     cmdutil.KubeFlags
	aws      cmdutil.AWSFlags
	useAWS   bool
	strict   bool
	selector string
	format   *cmdutil.Choice
}

// NewDoctor returns the command.
func NewDoctor(streams cmdutil.Streams) *cobra.Command {
	var flags doctorFlags
	command := &cobra.Command{
		Use:   "doctor [KIND/NAME | -l SELECTOR]",
		Short: "Find the broken link between a parameter and a pod, and the command that fixes it",
		Long: `Walk the chain that gives a workload its environment: configuration, webhook,
replicas, Service and certificate of envgraft; namespace, labels, admission and
other webhooks; External Secrets Operator, store, ExternalSecret, parameter, sync,
Secret and ConfigMap; Reloader, its annotations, and the pods. It stops at the
first broken link and prints a command that fixes it, or says what to ask its
owner for. No command that it prints overwrites or deletes what it did not read.
Without a workload it checks the installation only.

It uses your permissions and changes nothing: to test the webhooks it creates a
pod in a server-side dry run. Missing permissions are listed; they are an error
only with --strict. --aws also reads the parameter, with your AWS credentials. It
never prints a value of a Secret or parameter. -o name prints what has a broken
link.

Exit code 0: no broken link was found. 1: a link is broken. 2: the command line
is wrong. 3: it could not look, for example without a cluster, or with --strict
without a permission.`,
		Example: `  envgraft doctor
  envgraft doctor deploy/shop
  envgraft doctor -n shop -l app.kubernetes.io/name=shop -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && flags.selector != "" {
				return fmt.Errorf("give one workload, as deploy/shop, or -l SELECTOR, or neither")
			}
			return cmdutil.CheckRefs(args)
		},
		RunE: func(command *cobra.Command, args []string) error {
			all, err := flags.examine(command, args)
			if err != nil {
				return cmdutil.Unchecked(err)
			}
			if err := writeDiagnoses(streams.Out, flags.format.Value, all); err != nil {
				return err
			}
			if sick := slices.IndexFunc(all, func(d diagnosis) bool { return !d.Healthy }); sick >= 0 {
				return fmt.Errorf("found a broken link: %s", all[sick].headline())
			}
			if flags.strict {
				return allSeen(all)
			}
			return nil
		},
	}
	flags.kube.Add(command)
	flags.kube.AddNamespace(command)
	flags.aws.Add(command)
	command.Flags().BoolVar(&flags.useAWS, "aws", false, "look at the parameter with your AWS credentials")
	command.Flags().BoolVar(&flags.strict, "strict", false, "fail if a link could not be looked at, for checks that nobody reads")
	command.Flags().StringVarP(&flags.selector, "selector", "l", "", "workloads and pods with these `labels`")
	flags.format = cmdutil.AddChoice(command, "output", "o", "format", output.Table, output.JSON, output.YAML, output.Name)
	command.ValidArgsFunction = flags.kube.CompleteWorkloads
	cmdutil.Complete(command, "namespace", flags.kube.CompleteNamespaces)
	return command
}

func (f *doctorFlags) examine(command *cobra.Command, args []string) ([]diagnosis, error) {
	c, err := f.kube.Open()
	if err != nil {
		return nil, err
	}
	ctx := command.Context()
	settings, err := f.kube.Settings(command, c)
	if err != nil {
		return nil, err
	}
	g := &gather.Gatherer{Reader: c.Reader, Settings: settings, Installation: f.kube.Installation, Admit: true}
	if f.useAWS {
		g.Check = f.checkParameter
	}
	base, err := g.Base(ctx)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 && f.selector == "" {
		return []diagnosis{newDiagnosis(c, base)}, nil
	}
	targets, err := c.Targets(ctx, args, f.selector)
	if err != nil {
		return nil, err
	}
	var all []diagnosis
	progress := output.NewProgress(command.ErrOrStderr())
	defer progress.End()
	for i, w := range targets {
		progress.At(i, len(targets), w.String())
		in, err := g.App(ctx, base, c.App(ctx, settings, w))
		if err != nil {
			return nil, err
		}
		all = append(all, newDiagnosis(c, in))
	}
	return all, nil
}

func (f *doctorFlags) checkParameter(ctx context.Context, path string) (*parameters.Checked, error) {
	client, err := f.aws.Client(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmdutil.AWSTimeout)
	defer cancel()
	return parameters.Check(ctx, client, path), nil
}

func newDiagnosis(c *cmdutil.Session, in doctor.Input) diagnosis {
	findings := doctor.Examine(in)
	d := diagnosis{Healthy: doctor.Healthy(findings), Findings: findings, NotSeen: append([]clusterview.Right{}, c.Missing()...)}
	if in.App == nil {
		namespace, name, _ := strings.Cut(in.Installation, "/")
		d.resource = clusterview.ResourceName("Deployment", name) + " -n " + namespace
		return d
	}
	d.Target, d.Namespace = in.App.Workload.String(), in.App.Workload.Namespace
	d.resource = d.Target
	return d
}

func (d diagnosis) name() string {
	if d.Target == "" {
		return "the installation"
	}
	return fmt.Sprintf("%s in namespace %s", d.Target, d.Namespace)
}

// headline says on one line what is broken.
func (d diagnosis) headline() string {
	f, _ := doctor.FirstBroken(d.Findings)
	return d.name() + ": " + f.Check
}

// allSeen is an error if a check could not look.
func allSeen(all []diagnosis) error {
	for _, d := range all {
		for _, f := range d.Findings {
			if f.Status == doctor.Unseen {
				return cmdutil.Unchecked(fmt.Errorf("cannot look at %s of %s: %s", f.Check, d.name(), f.Message))
			}
		}
	}
	return nil
}

func writeDiagnoses(w io.Writer, format string, all []diagnosis) error {
	if format == output.Name {
		sick := slices.DeleteFunc(slices.Clone(all), func(d diagnosis) bool { return d.Healthy })
		return output.WriteNames(w, sick, func(d diagnosis) string { return d.resource })
	}
	if format != output.Table {
		return output.WriteValue(w, format, all)
	}
	var out bytes.Buffer
	for i, d := range all {
		if i > 0 {
			out.WriteByte('\n')
		}
		writeDiagnosis(&out, d, output.NewPalette(w))
	}
	_, err := w.Write(out.Bytes())
	return err
}

func writeDiagnosis(out *bytes.Buffer, d diagnosis, p output.Palette) {
	terminal.Appendf(out, "%s\n", d.name())
	colors := map[doctor.Status]int{
		doctor.OK: output.Green, doctor.Warning: output.Yellow, doctor.Broken: output.Red, doctor.Unseen: output.Yellow,
		doctor.Unneeded: output.Default, doctor.Unreached: output.Default,
	}
	rows := output.NewRows(out)
	for _, f := range d.Findings {
		rows.Row("  "+f.Check, p.Paint(colors[f.Status], string(f.Status)), cmp.Or(f.Message, "-"))
	}
	rows.Flush()
	for _, f := range d.Findings {
		if f.Fix != "" {
			// As it stands: a here-document may not be indented.
			terminal.Appendf(out, "\nTo fix it:\n\n%s\n", terminal.Lines(f.Fix))
		}
		if f.Ask != "" {
			terminal.Appendf(out, "\nAsk %s.\n", f.Ask)
		}
	}
}
