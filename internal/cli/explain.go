package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	kubejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// explanation is what explain says of one pod or template; -o json prints a
// list of it.
type explanation struct {
	Kind       string               `json:"kind"`
	Namespace  string               `json:"namespace"`
	Name       string               `json:"name"`
	Status     graft.Status         `json:"status"`
	Reason     graft.Reason         `json:"reason"`
	Message    string               `json:"message,omitempty"`
	Identity   identity.Identity    `json:"identity"`
	Warnings   []graft.Warning      `json:"warnings"`
	Containers []explainedContainer `json:"containers"`
	// Live is what the cluster says; nil for files.
	Live *liveExplanation `json:"live,omitempty"`
	// from is where it was read: a file, or what the command line named.
	from string
}

type explainedContainer struct {
	Name string `json:"name"`
	Init bool   `json:"init"`
	// ByAnotherWebhook is "added" for a container that the template does not have.
	ByAnotherWebhook string              `json:"byAnotherWebhook,omitempty"`
	Env              []explainedVariable `json:"env"`
	// Unknown are objects whose keys are not known: the environment may hold
	// more, and a variable may come from there.
	Unknown []string `json:"unknown,omitempty"`
}

type explainedVariable struct {
	Name    string     `json:"name"`
	Tier    graft.Tier `json:"tier"`
	From    string     `json:"from"`
	Shadows []string   `json:"shadows"`
	// ByAnotherWebhook is what another webhook or policy did to it: "added" or
	// "changed". It is empty where none did, or where no dry run could be made.
	ByAnotherWebhook string `json:"byAnotherWebhook,omitempty"`
	// Value is that of a literal or of a ConfigMap's key, and never that of a
	// Secret's. It is nil where there is none to show.
	Value *string `json:"value,omitempty"`
}

// explainFlags are the command's.
type explainFlags struct {
	offline  offlineFlags
	kube     kubeFlags
	selector string
	output   *choice
}

func newExplain(streams Streams) *cobra.Command {
	var flags explainFlags
	command := &cobra.Command{
		Use:   "explain KIND/NAME | -l SELECTOR | -f FILE|DIR|-",
		Short: "Show where each variable of a pod comes from",
		Long: `Show for each pod who it is, what the webhook does to it and why, and where each
variable of its containers comes from: the parameter, the ConfigMap or the pod
itself, and what is hidden by it. No value of a Secret is ever printed.

Of a workload in the cluster it shows what its next pod gets, which version the
parameter has, when ESO last synced it, and which pods run with older data; of a
pod, what it got. It has the API server admit the next pod in a dry run, and marks
what another webhook or policy added or changed. It reads with your rights, and
lists those that are missing. Kinds are deploy, sts, ds, rollout, cj, job, rs and
pod.

With -f it needs no cluster.
` + offlineLong + `

Exit code 0: explained, denied pods too. 1: a file is malformed or cannot be read.
2: the command line was not understood. 3: it could not look, as without a
cluster, or for a workload that does not exist.`,
		Example: `  envgraft explain deploy/shop
  envgraft explain -n shop -l app.kubernetes.io/name=shop -o wide
  envgraft explain -f deploy/ --parameters parameters/

  # Which variables does SSM give to the app?
  envgraft explain deploy/shop -o json |
    jq -r '.[].containers[].env[] | select(.tier == "parameter").name'`,
		Args: func(_ *cobra.Command, args []string) error { return flags.validate(args) },
		RunE: func(command *cobra.Command, args []string) error {
			explanations, err := flags.explain(command, streams, args)
			if err != nil {
				return err
			}
			return writeExplanations(streams.Out, flags.output.value, explanations)
		},
	}
	flags.offline.add(command)
	flags.kube.add(command)
	command.Flags().StringVarP(&flags.selector, "selector", "l", "", "workloads and pods with these `labels`, as app.kubernetes.io/name=shop")
	flags.output = addChoice(command, "output", "o", "format", formats()...)
	command.ValidArgsFunction = flags.kube.completeWorkloads
	return command
}

// validate wants one way of saying what to explain.
func (f *explainFlags) validate(args []string) error {
	ways := len(args)
	for _, given := range []bool{len(f.offline.files) > 0, f.selector != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("say what to explain: KIND/NAME (as deploy/shop), -l SELECTOR, or -f FILE")
	}
	return checkRefs(args)
}

func (f *explainFlags) explain(command *cobra.Command, streams Streams, args []string) ([]explanation, error) {
	if len(f.offline.files) == 0 {
		explanations, err := f.explainLive(command, args)
		if err != nil {
			return nil, unchecked(err)
		}
		return explanations, nil
	}
	stream, outcomes, err := f.offline.graftAll(command.Context(), streams)
	if err != nil {
		return nil, err
	}
	return explainAll(command.Context(), stream.Facts(f.offline.namespace), outcomes)
}

func writeExplanations(w io.Writer, format string, explanations []explanation) error {
	switch format {
	case formatJSON, formatYAML:
		return writeValue(w, format, explanations)
	case formatName:
		return writeNames(w, explanations, func(e explanation) string { return resourceName(e.Kind, e.Name) })
	}
	return writeTable(w, explanations, newPalette(w), format == formatWide)
}

func explainAll(ctx context.Context, known facts.Static, outcomes []outcome) ([]explanation, error) {
	known.Partial = true
	explanations := make([]explanation, len(outcomes))
	for i, o := range outcomes {
		explained, err := o.about(ctx, known).explain()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", describe(o.template, o.namespace), err)
		}
		explanations[i] = explained
	}
	return explanations, nil
}

// about gathers what is to be explained of a document.
func (o outcome) about(ctx context.Context, known facts.Static) subject {
	return subject{
		kind: o.template.Kind, namespace: o.namespace, name: o.template.Name, from: o.template.Document.File,
		report: o.report, pod: o.patched,
		keys: func(kind, name string) ([]string, bool) { return o.keys(ctx, known, kind, name) },
	}
}

// keys returns what is known of an object that a container refers to.
func (o outcome) keys(ctx context.Context, known facts.Static, kind, name string) ([]string, bool) {
	switch {
	case kind == envresolve.KindConfigMap:
		found := known.ConfigMap(ctx, o.namespace, name)
		return found.Keys, found.State != graft.ConfigMapUnknown
	case kind == envresolve.KindSecret && name == o.report.Identity.Secret:
		return o.known.Parameter.Keys, o.known.Parameter.Known()
	}
	return nil, false
}

// subject is one pod or template that is explained, from wherever it comes.
type subject struct {
	kind, namespace, name, from string
	report                      graft.Report
	// pod is the pod or template as it is after the graft.
	pod  []byte
	keys envresolve.Keys
	// values returns the values of a ConfigMap; nil where none are shown.
	values func(configMap string) map[string]string
	// admitted is what admission did, by container; nil where that is not known.
	admitted map[string]envresolve.Admitted
}

func (s subject) explain() (explanation, error) {
	e := explanation{
		Kind: s.kind, Namespace: s.namespace, Name: s.name, from: s.from,
		Status: s.report.Status, Reason: s.report.Reason, Message: s.report.Message, Identity: s.report.Identity,
		Warnings:   append([]graft.Warning{}, s.report.Warnings...),
		Containers: []explainedContainer{},
	}
	if s.report.Reason == graft.ReasonMalformed {
		return e, nil // there is nothing to read containers from
	}
	containers, err := s.containers()
	if err != nil {
		return explanation{}, err
	}
	e.Containers = append(e.Containers, containers...)
	return e, nil
}

func (s subject) containers() ([]explainedContainer, error) {
	var pod struct {
		Spec struct {
			InitContainers []corev1.Container `json:"initContainers"`
			Containers     []corev1.Container `json:"containers"`
		} `json:"spec"`
	}
	if err := kubejson.Unmarshal(s.pod, &pod); err != nil {
		return nil, fmt.Errorf("cannot read the containers: %w", err)
	}
	var containers []explainedContainer
	for _, c := range pod.Spec.InitContainers {
		containers = append(containers, s.container(c, true))
	}
	for _, c := range pod.Spec.Containers {
		containers = append(containers, s.container(c, false))
	}
	return containers, nil
}

func (s subject) container(c corev1.Container, init bool) explainedContainer {
	variables, unknown := envresolve.Compute(c, s.keys)
	admitted := s.admitted[c.Name]
	explained := explainedContainer{Name: c.Name, Init: init, Env: []explainedVariable{}}
	if admitted.Container {
		explained.ByAnotherWebhook = envresolve.ByAnotherAdded
	}
	for _, v := range variables {
		explained.Env = append(explained.Env, explainedVariable{
			Name: v.Name, Tier: s.tier(v.From), From: v.From.String(), Shadows: s.shadows(c.Name, v), Value: s.value(c, v),
			ByAnotherWebhook: admitted.ByAnother(v),
		})
	}
	for _, source := range unknown {
		explained.Unknown = append(explained.Unknown, source.String())
	}
	return explained
}

// shadows lists what a variable shadows, the next in line first. A literal that was
// rebound is no longer in the pod, but it is what its author will look for; and
// the key that it is bound to, which envFrom brings too, shadows nothing.
func (s subject) shadows(container string, v envresolve.Variable) []string {
	shadows := []string{}
	for _, hidden := range v.Shadows {
		if hidden != v.From {
			shadows = append(shadows, hidden.String())
		}
	}
	if !slices.Contains(shadows, envresolve.KindLiteral) && s.rebound(container, v) {
		shadows = append(shadows, envresolve.KindLiteral)
	}
	return shadows
}

// rebound says that a variable was a literal before envgraft bound it to its
// key: the author's, or another webhook's.
func (s subject) rebound(container string, v envresolve.Variable) bool {
	if a := s.admitted[container]; s.tier(v.From) != graft.TierPod && (a.ByAnother(v) != "" || slices.Contains(a.Bound, v.Name)) {
		return true
	}
	for _, c := range s.report.Containers {
		if c.Name == container && slices.ContainsFunc(c.Rebound, func(r graft.Rebinding) bool { return r.Name == v.Name }) {
			return true
		}
	}
	return false
}

// value returns what may be shown of a variable: a literal as it is written,
// or a ConfigMap's value. Of a Secret nothing is known here to begin with.
func (s subject) value(c corev1.Container, v envresolve.Variable) *string {
	if s.values == nil {
		return nil
	}
	switch v.From.Kind {
	case envresolve.KindLiteral:
		var value *string
		for i := range c.Env {
			if c.Env[i].Name == v.Name && c.Env[i].ValueFrom == nil {
				value = &c.Env[i].Value
			}
		}
		return value
	case envresolve.KindConfigMap:
		if value, ok := s.values(v.From.Name)[v.From.Key]; ok {
			return &value
		}
	}
	return nil
}

// tier says whose object a source is. What a pod refers to besides the app's
// own objects is the pod's affair.
func (s subject) tier(from envresolve.Source) graft.Tier {
	switch {
	case s.report.Status != graft.StatusInjected:
	case from.Kind == envresolve.KindSecret && from.Name == s.report.Identity.Secret:
		return graft.TierParameter
	case from.Kind == envresolve.KindConfigMap && from.Name == s.report.Identity.ConfigMap:
		return graft.TierConfigMap
	}
	return graft.TierPod
}
