package clusterview

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/envresolve"
)

// Admission is what the API server answers to a pod that is created in a dry run:
// that goes through the webhooks, and leaves nothing behind.
type Admission struct {
	// Pod is the pod as it would be; its metadata and spec alone.
	Pod Pod
	// Refused says why it would not be created; empty where it would.
	Refused string
	// Warnings are the webhooks'.
	Warnings []string
}

// Admit creates a pod of the template in a dry run. It needs the right to create
// pods.
func (r *Reader) Admit(ctx context.Context, namespace, name string, template json.RawMessage) Seen[Admission] {
	body, err := podOf(name, template)
	if err != nil {
		return Seen[Admission]{State: Failed, Cause: err.Error()}
	}
	warnings := &warnings{}
	raw, err := answer(r.api.Post().AbsPath(pods().path(namespace, "")...).Param("dryRun", "All").WarningHandler(warnings).
		SetHeader("Content-Type", "application/json").SetHeader("Accept", whole).Body(body).Do(ctx))
	if refused := refusal(err); refused != "" {
		return Seen[Admission]{State: Found, Value: Admission{Refused: refused, Warnings: warnings.texts}}
	}
	pod := look[Pod](r, raw, err, Right{Verb: "create", Resource: "pods", Namespace: namespace})
	return Seen[Admission]{State: pod.State, Cause: pod.Cause, Value: Admission{Pod: pod.Value, Warnings: warnings.texts}}
}

// Admitted says what admission did to the containers of the next pod, by name.
// The pod of the dry run names the objects that envgraft added.
func (a *App) Admitted(dryRun Pod) map[string]envresolve.Admitted {
	var template Pod
	if json.Unmarshal(a.Workload.Template, &template) != nil {
		return nil // the engine says what is wrong with it
	}
	var own []envresolve.Source
	for object := range strings.SplitSeq(dryRun.Metadata.Annotations[api.AnnotationInjected], ",") {
		kind, name, _ := strings.Cut(object, "/")
		own = append(own, envresolve.Source{Kind: kind, Name: name})
	}
	return envresolve.AdmitAll(template.Spec, dryRun.Spec, own...)
}

// podOf makes a pod of a template: what the API server sets is left to it.
func podOf(name string, template json.RawMessage) ([]byte, error) {
	var pod struct {
		Metadata struct {
			Labels      map[string]string `json:"labels,omitempty"`
			Annotations map[string]string `json:"annotations,omitempty"`
		} `json:"metadata"`
		Spec json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(template, &pod); err != nil {
		return nil, fmt.Errorf("cannot read the pod template")
	}
	return json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "spec": pod.Spec,
		"metadata": map[string]any{
			"generateName": name + "-", "labels": pod.Metadata.Labels, "annotations": pod.Metadata.Annotations,
		},
	})
}

// refusal returns a webhook's refusal, or that none could be asked. Other
// admission, as quotas, answers "forbidden" with words of its own.
func refusal(err error) string {
	if err == nil {
		return ""
	}
	text := cause(err)
	if strings.Contains(text, "admission webhook") || strings.Contains(text, "calling webhook") {
		return text
	}
	if apierrors.IsForbidden(err) && !strings.Contains(text, "cannot create resource") || apierrors.IsInvalid(err) {
		return text
	}
	return ""
}

// warnings collects the warnings of an answer.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

var _ rest.WarningHandler = &warnings{}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(code int, _, text string) {
	if code != 299 || text == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}
