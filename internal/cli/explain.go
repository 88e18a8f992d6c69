package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	kubejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/environ"
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
	file       string
}

type explainedContainer struct {
	Name string              `json:"name"`
	Init bool                `json:"init"`
	Env  []explainedVariable `json:"env"`
	// Unknown are objects whose keys are not known: the environment may hold
	// more, and a variable may come from there.
	Unknown []string `json:"unknown,omitempty"`
}

type explainedVariable struct {
	Name  string     `json:"name"`
	Tier  graft.Tier `json:"tier"`
	From  string     `json:"from"`
	Hides []string   `json:"hides"`
}

func newExplain(streams Streams) *cobra.Command {
	var flags offlineFlags
	var output *choice
	command := &cobra.Command{
		Use:   "explain -f FILE|DIR|-",
		Short: "Show where each variable of a pod would come from",
		Long: `Show for each pod who it is, what the webhook would do to it and why, and where
each variable of its containers would come from: the parameter, the ConfigMap or
the pod itself, and what is hidden by it. No value is ever printed.
` + offlineLong + `

Exit code 0: explained, denied pods too. 1: a document is malformed or cannot be
read. 2: the command line was not understood.`,
		Example: `  envgraft explain -f deploy/ --parameters parameters/

  # Which variables does SSM give to the app?
  envgraft explain -f deploy/ --parameters parameters/ -o json |
    jq -r '.[].containers[].env[] | select(.tier == "parameter").name'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			stream, outcomes, err := flags.graftAll(command.Context(), streams)
			if err != nil {
				return err
			}
			explanations, err := explainAll(command.Context(), stream.Facts(flags.namespace), outcomes)
			if err != nil {
				return err
			}
			if output.value == "json" {
				encoder := json.NewEncoder(streams.Out)
				encoder.SetEscapeHTML(false)
				encoder.SetIndent("", "  ")
				return encoder.Encode(explanations)
			}
			return writeTable(streams.Out, explanations, newPalette(streams.Out))
		},
	}
	flags.add(command)
	output = addChoice(command, "output", "o", "format", "table", "json")
	return command
}

func explainAll(ctx context.Context, known facts.Static, outcomes []outcome) ([]explanation, error) {
	known.Partial = true
	explanations := make([]explanation, len(outcomes))
	for i, o := range outcomes {
		explained, err := explain(ctx, known, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", describe(o.template, o.namespace), err)
		}
		explanations[i] = explained
	}
	return explanations, nil
}

func explain(ctx context.Context, known facts.Static, o outcome) (explanation, error) {
	e := explanation{
		Kind: o.template.Kind, Namespace: o.namespace, Name: o.template.Name, file: o.template.Document.File,
		Status: o.report.Status, Reason: o.report.Reason, Message: o.report.Message, Identity: o.report.Identity,
		Warnings:   append([]graft.Warning{}, o.report.Warnings...),
		Containers: []explainedContainer{},
	}
	if o.report.Reason == graft.ReasonMalformed {
		return e, nil // there is nothing to read containers from
	}
	var pod struct {
		Spec struct {
			InitContainers []corev1.Container `json:"initContainers"`
			Containers     []corev1.Container `json:"containers"`
		} `json:"spec"`
	}
	if err := kubejson.Unmarshal(o.patched, &pod); err != nil {
		return explanation{}, fmt.Errorf("cannot read the containers: %w", err)
	}
	keys := func(kind, name string) ([]string, bool) { return o.keys(ctx, known, kind, name) }
	for _, c := range pod.Spec.InitContainers {
		e.Containers = append(e.Containers, o.explainContainer(c, true, keys))
	}
	for _, c := range pod.Spec.Containers {
		e.Containers = append(e.Containers, o.explainContainer(c, false, keys))
	}
	return e, nil
}

func (o outcome) explainContainer(c corev1.Container, init bool, keys environ.Keys) explainedContainer {
	variables, unknown := environ.Compute(c, keys)
	explained := explainedContainer{Name: c.Name, Init: init, Env: []explainedVariable{}}
	for _, v := range variables {
		explained.Env = append(explained.Env, explainedVariable{
			Name: v.Name, Tier: o.tier(v.From), From: v.From.String(), Hides: o.hides(c.Name, v),
		})
	}
	for _, source := range unknown {
		explained.Unknown = append(explained.Unknown, source.String())
	}
	return explained
}

// hides lists what a variable hides, the next in line first. A literal that was
// rebound is no longer in the pod, but it is what its author will look for; and
// the key that it is bound to, which envFrom brings too, hides nothing.
func (o outcome) hides(container string, v environ.Variable) []string {
	hides := []string{}
	for _, hidden := range v.Hides {
		if hidden != v.From {
			hides = append(hides, hidden.String())
		}
	}
	for _, c := range o.report.Containers {
		for _, rebound := range c.Rebound {
			if c.Name == container && rebound.Name == v.Name {
				hides = append(hides, environ.KindLiteral)
			}
		}
	}
	return hides
}

// keys returns what is known of an object that a container refers to.
func (o outcome) keys(ctx context.Context, known facts.Static, kind, name string) ([]string, bool) {
	switch {
	case kind == environ.KindConfigMap:
		found := known.ConfigMap(ctx, o.namespace, name)
		return found.Keys, found.State != graft.ConfigMapUnknown
	case kind == environ.KindSecret && name == o.report.Identity.Secret:
		return o.known.Parameter.Keys, o.known.Parameter.Known()
	}
	return nil, false
}

// tier says whose object a source is. What a pod refers to besides the app's
// own objects is the pod's affair.
func (o outcome) tier(from environ.Source) graft.Tier {
	switch {
	case o.report.Status != graft.StatusInjected:
	case from.Kind == environ.KindSecret && from.Name == o.report.Identity.Secret:
		return graft.TierParameter
	case from.Kind == environ.KindConfigMap && from.Name == o.report.Identity.ConfigMap:
		return graft.TierConfigMap
	}
	return graft.TierPod
}
