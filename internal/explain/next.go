package explain

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: a workload's next pod is what the API server makes of its template
// in a dry run, other webhooks' variables included. Where no dry run can be
// made, it is what envgraft alone would make of it, and a note says so.

// nextPod is the next pod of a workload.
type nextPod struct {
	// pod is in JSON.
	pod []byte
	// admitted is what admission did to its containers; nil where that is not known.
	admitted map[string]envresolve.Admitted
	// note says what is to be known of it.
	note string
}

// next asks the API server for the next pod. grafted is what envgraft alone makes
// of the template.
func (c Explainer) next(ctx context.Context, app *clusterview.App, status graft.Status, grafted []byte) (nextPod, error) {
	w, next := app.Workload, nextPod{pod: grafted}
	if w.Kind.IsPod() || status == graft.StatusDenied || !app.Decided() {
		return next, nil // it is there, there will be none, or nobody knows whose it is
	}
	seen := c.Admit(ctx, w.Namespace, w.Name, w.Template)
	admission := seen.Value
	switch {
	case seen.State == clusterview.Forbidden:
		next.note = "what other webhooks add is not seen without the right to create pods"
		return next, nil
	case seen.State != clusterview.Found:
		next.note = "what other webhooks add is not seen: " + seen.Cause
		return next, nil
	case admission.Refused != "":
		next.note = "the API server would not create the next pod, so what other webhooks add is not seen: " + admission.Refused
		return next, nil
	case status == graft.StatusInjected && !admission.Pod.Injected():
		next.note = fmt.Sprintf("the API server would create the next pod without calling envgraft, and this is what it would get: envgraft doctor %s says why", w)
	}
	var err error
	next.pod, err = json.Marshal(map[string]any{"spec": admission.Pod.Spec})
	next.admitted = app.Admitted(admission.Pod)
	return next, err
}
