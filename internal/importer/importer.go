// Package importer plans envgraft import for the workloads of files or of a cluster.
// internal/migrate makes the plan of one workload, and its proof.
package importer

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/migrate"
	"github.com/envgraft/envgraft/internal/offline"
)

// Import is the plan for one workload; -o json prints a list of it.
type Import struct {
	*migrate.Plan

	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Proven    bool   `json:"proven"`
}

// manifestOf makes a manifest of what the API server has: without what it
// added itself.
func manifestOf(ctx context.Context, c *clusterview.Reader, ref clusterview.Ref) (*manifest.Stream, error) {
	seen := c.Object(ctx, ref)
	if seen.State != clusterview.Found {
		return nil, fmt.Errorf("cannot read %s: %s", ref, seen.Cause)
	}
	object := seen.Value
	delete(object, "status")
	if metadata, ok := object["metadata"].(map[string]any); ok {
		for _, added := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"} {
			delete(metadata, added)
		}
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
			delete(annotations, "deployment.kubernetes.io/revision")
		}
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s as YAML: %w", ref, err)
	}
	documents, err := manifest.Parse(ref.String(), text)
	if err != nil || len(documents) != 1 {
		return nil, fmt.Errorf("cannot read %s back: %w", ref, err)
	}
	return &manifest.Stream{Documents: documents}, nil
}

func worldOf(c *config.Configuration) migrate.World {
	return migrate.World{
		Engine: graft.New(c.Engine()),
		Defaults: func(environment string) migrate.Defaults {
			s := c.ExternalSecretFor(environment)
			return migrate.Defaults{
				Store: s.SecretStore.Kind + "/" + s.SecretStore.Name, RefreshInterval: s.RefreshInterval.String(), DeletionPolicy: s.DeletionPolicy,
			}
		},
	}
}

// plan plans for one workload, and changes its manifest where that is
// proven to change nothing else.
func plan(t manifest.Template, ns identity.Namespace, world migrate.World) (Import, error) {
	raw, err := t.JSON()
	if err != nil {
		return Import{}, err
	}
	plan, err := migrate.Make(migrate.Workload{
		Namespace: ns, Kind: t.Kind, LabelCopied: offline.CopiesLabel(t), Name: t.Name, Labels: t.Labels, Annotations: t.Annotations(), Template: raw,
	}, world)
	if err != nil {
		return Import{}, err
	}
	one := Import{Plan: plan, Kind: t.Kind, Namespace: ns.Name, Name: t.Name, Proven: plan.Proven()}
	if !one.Proven {
		return one, nil
	}
	if err := t.Apply(plan.Template); err != nil {
		return one, err
	}
	return one, t.Object.Apply(plan.Object)
}

// FromDocuments plans for all workloads of the documents, and changes their manifests
// where that is proven to change nothing else.
func FromDocuments(ctx context.Context, o *offline.Documents, c *config.Configuration) ([]Import, error) {
	var all []Import
	for _, t := range o.Stream.Templates() {
		ns, _ := o.NamespaceOf(t)
		world := worldOf(c)
		var err error
		if world.ExternalSecrets, err = o.ExternalSecrets(ns.Name); err != nil {
			return nil, err
		}
		world.Keys = o.Keys(ctx, ns.Name, world.ExternalSecrets)
		one, err := plan(t, ns, world)
		if errors.Is(err, migrate.ErrNothing) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", offline.Describe(t, ns.Name), err)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, migrate.ErrNothing
	}
	return all, nil
}

// FromCluster plans for a workload of a cluster, and returns its manifest too.
func FromCluster(ctx context.Context, reader *clusterview.Reader, settings clusterview.Settings, w clusterview.Workload) (*manifest.Stream, []Import, error) {
	stream, err := manifestOf(ctx, reader, w.Ref)
	if err != nil {
		return nil, nil, err
	}
	app := reader.App(ctx, settings, w)
	if app.Namespace.State != clusterview.Found {
		return nil, nil, fmt.Errorf("cannot read namespace %q: %s", w.Namespace, app.Namespace.Cause)
	}
	world := worldOf(settings.Configuration)
	world.ExternalSecrets = reader.ExternalSecrets(ctx, w.Namespace).Value.Items
	world.Keys = explain.NewObjects(ctx, reader, app).TrueKeys
	one, err := plan(stream.Templates()[0], app.Namespace.Value, world)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", w, err)
	}
	for _, right := range reader.Missing() {
		one.Notes = append(one.Notes, "not seen: you may not "+right.String())
	}
	return stream, []Import{one}, nil
}
