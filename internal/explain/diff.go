package explain

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// PodDiff is what a manifest would change for the pods that run.
type PodDiff struct {
	Workload  string `json:"workload"`
	Namespace string `json:"namespace"`
	// Pod is the one that was compared; empty where none runs.
	Pod string `json:"pod,omitempty"`
	// Alike are the other pods with the same environment.
	Alike   []string `json:"alike,omitempty"`
	Changes []Change `json:"changes"`
	Message string   `json:"message,omitempty"`
}

// Diff compares the pods of one workload, each environment once.
func (c Explainer) Diff(ctx context.Context, settings clusterview.Settings, files clusterview.Given, wanted clusterview.Workload) ([]PodDiff, error) {
	d := PodDiff{Workload: wanted.String(), Namespace: wanted.Namespace, Changes: []Change{}}
	have := c.Workload(ctx, wanted.Ref)
	switch have.State {
	case clusterview.Found:
	case clusterview.NotFound:
		d.Message = "it is not in the cluster yet"
		return []PodDiff{d}, nil
	default:
		return nil, fmt.Errorf("cannot read %s: %s", wanted, have.Cause)
	}
	next := have.Value
	next.Template = wanted.Template
	app := c.AppWith(ctx, settings, next, files)
	if !app.Decided() {
		d.Message = "the labels of its namespace are not known: " + app.Namespace.Cause
		return []PodDiff{d}, nil
	}
	result, patched, err := graftTemplate(app)
	if err != nil {
		return nil, err
	}
	d.Message = unreadNote(app)
	if result.Report.Message != "" {
		d.Message = string(result.Report.Status) + ": " + result.Report.Message
	}
	becomes, err := c.subject(ctx, app, result.Report, patched).containers()
	if err != nil {
		return nil, err
	}
	var diffs []PodDiff
	for _, pod := range app.Pods.Value {
		if pod.Ended() {
			continue
		}
		one, err := c.diffPod(ctx, app, pod, becomes, d)
		if err != nil {
			return nil, err
		}
		same := func(other PodDiff) bool { return slices.Equal(other.Changes, one.Changes) }
		if at := slices.IndexFunc(diffs, same); at >= 0 {
			diffs[at].Alike = append(diffs[at].Alike, one.Pod)
			continue
		}
		diffs = append(diffs, one)
	}
	if len(diffs) == 0 {
		d.Message = cmp.Or(d.Message, "no pod of it runs")
		return []PodDiff{d}, nil
	}
	return diffs, nil
}

func (c Explainer) diffPod(ctx context.Context, app *clusterview.App, pod clusterview.Pod, becomes []Container, d PodDiff) (PodDiff, error) {
	raw, err := json.Marshal(map[string]any{"spec": pod.Spec})
	if err != nil {
		return d, err
	}
	// The pod has read the cluster's ConfigMap, not the one to come.
	running := *app
	running.ConfigMap = clusterview.Seen[clusterview.ConfigMap]{}
	was, err := c.subject(ctx, &running, RunningReport(app.Subject, pod.Injected()), raw).containers()
	if err != nil {
		return d, err
	}
	d.Pod = pod.Metadata.Name
	d.Changes = append([]Change{}, slices.DeleteFunc(differences(was, becomes), notSaid(app))...)
	return d, nil
}
