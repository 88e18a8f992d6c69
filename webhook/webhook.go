// Package webhook answers the API server's admission reviews: it decodes the
// request, gathers the facts, has the engine graft, and responds with a JSON
// patch and warnings.
package webhook

import (
	"context"
	"errors"
	"time"

	"gomodules.xyz/jsonpatch/v2"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/warning"
)

// NamespaceGetter returns labels and annotations of a Namespace.
type NamespaceGetter interface {
	// Namespace may answer from memory.
	Namespace(ctx context.Context, name string) (identity.Namespace, error)
	// Current asks the API server.
	Current(ctx context.Context, name string) (identity.Namespace, error)
}

// errBypassed says that no API server sends reviews for a namespace: its label
// keeps the webhooks from being called. Whoever sends one all the same learns
// nothing from the answer.
var errBypassed = errors.New("the namespace bypasses the webhooks")

func bypassed(ns identity.Namespace) bool {
	_, ok := ns.Labels[api.LabelBypass]
	return ok
}

// decide runs a decision for a Namespace. The API server calls us because it
// sees an opt-in; where what we remember of the Namespace shows none, it is we
// who are late: somebody labelled it a moment ago, and the first objects after
// that must not be missed. So the decision is made again.
func decide(ctx context.Context, namespaces NamespaceGetter, name string, decision func(identity.Namespace) identity.OptIn) error {
	ns, err := namespaces.Namespace(ctx, name)
	if err != nil {
		return err
	}
	if !bypassed(ns) && !decision(ns).RefusedByNamespace() {
		return nil
	}
	if ns, err = namespaces.Current(ctx, name); err != nil {
		return err
	}
	if bypassed(ns) {
		return errBypassed
	}
	decision(ns)
	return nil
}

// Recorder counts what the handlers do.
type Recorder interface {
	Admission(webhook metrics.Webhook, status graft.Status, reason graft.Reason, took time.Duration)
	Warning(reason graft.Reason)
}

// patched allows a request with operations and warnings.
func patched(operations []jsonpatch.Operation, warnings []graft.Warning) admission.Response {
	response := admission.Patched("", operations...)
	response.Warnings = texts(warnings)
	return response
}

// texts writes warnings as kubectl prints them, after "Warning: ".
func texts(warnings []graft.Warning) []string {
	messages := make([]string, len(warnings))
	for i, w := range warnings {
		messages[i] = w.Message
	}
	return warning.Fit(messages)
}
