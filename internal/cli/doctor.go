package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/live"
	"github.com/envgraft/envgraft/internal/parameters"
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
	NotSeen []live.Right `json:"notSeen"`
}

type doctorFlags struct {
	kube     kubeFlags
	aws      awsFlags
	useAWS   bool
	selector string
	output   *choice
}

func newDoctor(streams Streams) *cobra.Command {
	var flags doctorFlags
	command := &cobra.Command{
		Use:   "doctor [KIND/NAME | -l SELECTOR]",
		Short: "Find the broken link between a parameter and a pod, and the command that mends it",
		Long: `Walk the chain that gives a workload its environment: configuration, webhook and
certificate, namespace, labels, admission, External Secrets Operator,
ExternalSecret, store, parameter, Secret, ConfigMap, pods, Reloader. It stops at
the first broken link and prints a command that mends it. Without a workload it
looks at the installation alone.

It reads with your rights and changes nothing: to ask the webhook it has the API
server admit a pod for show (a dry run). What you may not see is said, and is no
fault. --aws looks at the parameter, too, with your AWS credentials. No value of
a Secret or parameter is ever printed.

Exit code 0: no broken link was found. 1: a link is broken. 2: the command line
was not understood. 3: it could not look, as without a cluster.`,
		Example: `  envgraft doctor
  envgraft doctor deploy/shop
  envgraft doctor -n shop -l app.kubernetes.io/name=shop -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && flags.selector != "" {
				return fmt.Errorf("give one workload, as deploy/shop, or -l SELECTOR, or neither")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			all, err := flags.examine(command, args)
			if err != nil {
				return &exitError{exitUnchecked, err}
			}
			if err := writeDiagnoses(streams.Out, flags.output.value, all); err != nil {
				return err
			}
			if sick := slices.DeleteFunc(all, func(d diagnosis) bool { return d.Healthy }); len(sick) > 0 {
				return fmt.Errorf("found a broken link: %s", sick[0].headline())
			}
			return nil
		},
	}
	flags.kube.add(command)
	flags.kube.addNamespace(command)
	flags.aws.add(command)
	command.Flags().BoolVar(&flags.useAWS, "aws", false, "look at the parameter with your AWS credentials")
	command.Flags().StringVarP(&flags.selector, "selector", "l", "", "workloads and pods with these `labels`")
	flags.output = addChoice(command, "output", "o", "format", formatTable, formatJSON, formatYAML)
	command.ValidArgsFunction = flags.kube.completeWorkloads
	complete(command, "namespace", flags.kube.completeNamespaces)
	return command
}

func (f *doctorFlags) examine(command *cobra.Command, args []string) ([]diagnosis, error) {
	c, err := f.kube.open()
	if err != nil {
		return nil, err
	}
	ctx := command.Context()
	settings, err := f.kube.settings(command, c)
	if err != nil {
		return nil, err
	}
	base, err := f.installation(ctx, c, settings)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 && f.selector == "" {
		base.Store = c.Store(ctx, "", or(base.ESO.Value, "v1"), base.StoreRef)
		return []diagnosis{newDiagnosis(c, base)}, nil
	}
	targets, err := c.targets(ctx, args, f.selector)
	if err != nil {
		return nil, err
	}
	var all []diagnosis
	for _, w := range targets {
		p, err := f.patient(ctx, c, base, w)
		if err != nil {
			return nil, err
		}
		all = append(all, newDiagnosis(c, p))
	}
	return all, nil
}

// installation reads what all workloads share. A cluster that does not answer
// is an error: there is nothing to say without it.
func (f *doctorFlags) installation(ctx context.Context, c *session, settings live.Settings) (doctor.Patient, error) {
	store := settings.Configuration.ExternalSecrets.SecretStore
	p := doctor.Patient{
		Settings: settings, Installation: f.kube.installation, StoreRef: live.StoreRef{Kind: store.Kind, Name: store.Name},
		Webhooks:  c.Webhooks(ctx, settings.Configuration.Server.Certificates.WebhookConfiguration),
		Operators: c.Operators(ctx),
		ESO:       c.ESOVersion(ctx),
	}
	for _, cause := range []live.Seen[string]{{State: p.Webhooks.State, Cause: p.Webhooks.Cause}, {State: p.Operators.State, Cause: p.Operators.Cause}} {
		if cause.State == live.Failed {
			return p, fmt.Errorf("cannot ask the cluster: %s", cause.Cause)
		}
	}
	return p, nil
}

// patient reads what is a workload's own.
func (f *doctorFlags) patient(ctx context.Context, c *session, base doctor.Patient, w live.Workload) (doctor.Patient, error) {
	p := base
	p.App = c.App(ctx, base.Settings, w)
	d := p.App.Subject
	if d.Status != graft.StatusInjected {
		return p, nil
	}
	if !w.Kind.IsPod() {
		p.Admission = c.Admit(ctx, w.Namespace, w.Name, w.Template)
	}
	if !d.Settings.Secrets {
		return p, nil
	}
	p.StoreRef = storeOf(p.App)
	p.Store = c.Store(ctx, w.Namespace, or(p.ESO.Value, "v1"), p.StoreRef)
	if e := p.App.ExternalSecret; e != nil && !e.Synced() {
		p.Complaint = c.Complaint(ctx, e)
	}
	if !f.useAWS {
		return p, nil
	}
	client, err := f.aws.client(ctx)
	if err != nil {
		return p, err
	}
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	p.Parameter = parameters.Check(ctx, client, d.Identity.Parameter)
	return p, nil
}

// storeOf is the ExternalSecret's store, else the one that it would get.
func storeOf(app *live.App) live.StoreRef {
	if app.ExternalSecret != nil {
		return app.ExternalSecret.Spec.SecretStoreRef
	}
	if s := app.Subject.Settings.SecretStore; s.Name != "" {
		return live.StoreRef{Kind: s.Kind, Name: s.Name}
	}
	s := app.Settings.Configuration.ExternalSecretFor(app.Subject.Identity.Environment).SecretStore
	return live.StoreRef{Kind: s.Kind, Name: s.Name}
}

func newDiagnosis(c *session, p doctor.Patient) diagnosis {
	findings := doctor.Examine(p)
	d := diagnosis{Healthy: doctor.Healthy(findings), Findings: findings, NotSeen: append([]live.Right{}, c.Missing()...)}
	if p.App != nil {
		d.Target, d.Namespace = p.App.Workload.String(), p.App.Workload.Namespace
	}
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
	for _, f := range d.Findings {
		if f.Status == doctor.Broken {
			return d.name() + ": " + f.Check
		}
	}
	return ""
}

func writeDiagnoses(w io.Writer, format string, all []diagnosis) error {
	if format != formatTable {
		return writeValue(w, format, all)
	}
	var out bytes.Buffer
	for i, d := range all {
		if i > 0 {
			out.WriteByte('\n')
		}
		writeDiagnosis(&out, d, newPalette(w))
	}
	_, err := w.Write(out.Bytes())
	return err
}

func writeDiagnosis(out *bytes.Buffer, d diagnosis, p palette) {
	fmt.Fprintln(out, d.name())
	colors := map[doctor.Status]int{
		doctor.OK: colorGreen, doctor.Broken: colorRed, doctor.Unseen: colorYellow,
		doctor.Unneeded: colorDefault, doctor.Unreached: colorDefault,
	}
	rows := newRows(out)
	for _, f := range d.Findings {
		rows.row("  "+f.Check, p.paint(colors[f.Status], string(f.Status)), or(f.Message, "-"))
	}
	rows.flush()
	for _, f := range d.Findings {
		if f.Fix != "" {
			// As it stands: a here-document may not be indented.
			fmt.Fprintf(out, "\nTo mend it:\n\n%s\n", f.Fix)
		}
	}
}
