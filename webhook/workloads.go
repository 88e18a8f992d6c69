package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/jsonscan"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/reload"
	"github.com/envgraft/envgraft/internal/warning"
)

// Workloads is the handler of Deployments, StatefulSets, DaemonSets and Argo
// Rollouts. It never denies: annotations can wait, rollouts must not.
type Workloads struct {
	Engine     *graft.Engine
	Namespaces NamespaceGetter
	Metrics    Recorder
	Log        logr.Logger
}

var _ admission.Handler = &Workloads{}

// review has the object passed over: most workloads are not looked into.
func (w *Workloads) review() (objectReader, decider) {
	return (*jsonscan.Scanner).Skip, w.Handle
}

// Handle answers one review.
func (w *Workloads) Handle(ctx context.Context, request admission.Request) admission.Response {
	start := time.Now()
	if !isWorkload(request) {
		return admission.Allowed("")
	}
	log := w.Log.WithValues("namespace", request.Namespace, "kind", request.Kind.Kind, "name", request.Name, "uid", request.UID)
	decision, result, err := w.annotate(ctx, request)
	if errors.Is(err, errBypassed) {
		return admission.Allowed("")
	}
	if err != nil {
		log.Error(err, "Cannot annotate a workload")
		w.Metrics.Admission(metrics.WebhookWorkloads, graft.StatusSkipped, graft.ReasonFailed, time.Since(start))
		return admission.Allowed("").WithWarnings(warning.Line(fmt.Sprintf(
			"cannot annotate this %s for Reloader (%v): apply it again", request.Kind.Kind, err)))
	}

	warnings := workloadWarnings(request.Kind.Kind, decision, result)
	status := decision.Status
	if status == graft.StatusDenied {
		status = graft.StatusSkipped // It is the pods that will be denied.
	}
	took := time.Since(start)
	w.Metrics.Admission(metrics.WebhookWorkloads, status, decision.Reason, took)
	for _, one := range warnings {
		w.Metrics.Warning(one.Reason)
	}
	log.V(1).Info("Admitted a workload", "status", status, "reason", decision.Reason, "app", decision.Identity.App,
		"operations", len(result.Operations), "warnings", len(warnings), "tookMilliseconds", took.Milliseconds())
	return patched(result.Operations, warnings)
}

// tooLong lets a workload through as it is.
func (w *Workloads) tooLong(limit int) admission.Response {
	return admission.Allowed("").WithWarnings(warning.Line(fmt.Sprintf(
		"not annotated for Reloader, which takes a patch of more than %d bytes: have server.limits.maxAnswerBytes raised", limit)))
}

// isWorkload goes by the kind that the review was asked for. Others are let
// through, Jobs and CronJobs first: Reloader would run them off schedule.
func isWorkload(request admission.Request) bool {
	if request.SubResource != "" || (request.Operation != admissionv1.Create && request.Operation != admissionv1.Update) {
		return false
	}
	switch request.Kind.Group + "/" + request.Kind.Kind {
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "argoproj.io/Rollout":
		return true
	}
	return false
}

// annotate decides on the pods that the workload will have, and writes the
// annotations that follow.
func (w *Workloads) annotate(ctx context.Context, request admission.Request) (graft.Decision, reload.Result, error) {
	workload, err := reload.Read(request.Object.Raw)
	if err != nil {
		return graft.Decision{}, reload.Result{}, err
	}
	decision := graft.Decision{Status: graft.StatusSkipped, Reason: graft.ReasonNotOptedIn}
	if workload.HasTemplate() {
		if decision, err = w.decide(ctx, request.Namespace, workload); err != nil {
			return graft.Decision{}, reload.Result{}, err
		}
	}
	result, err := workload.Annotate(w.Engine.ReloadNames(decision))
	return decision, result, err
}

func (w *Workloads) decide(ctx context.Context, namespace string, workload *reload.Workload) (graft.Decision, error) {
	template, err := workload.Template()
	if err != nil {
		return graft.Decision{}, err
	}
	var subject *graft.Subject
	err = decide(ctx, w.Namespaces, namespace, func(ns identity.Namespace) identity.OptIn {
		subject = w.Engine.Inspect(ns, template)
		return subject.OptIn
	})
	if err != nil {
		return graft.Decision{}, fmt.Errorf("cannot read namespace %q: %w", namespace, err)
	}
	return subject.Decision, nil
}

// workloadWarnings show the author at kubectl apply what would otherwise stand in
// the Events of a ReplicaSet only.
func workloadWarnings(kind string, decision graft.Decision, result reload.Result) []graft.Warning {
	warnings := decision.Warnings
	if decision.Status == graft.StatusDenied {
		warnings = append(warnings, graft.Warning{
			Reason:  graft.WarnPodsDenied,
			Message: fmt.Sprintf("pods of this %s will be denied: %s", kind, decision.Message),
		})
	}
	for _, text := range result.Warnings {
		warnings = append(warnings, graft.Warning{Reason: graft.WarnReload, Message: text})
	}
	return warnings
}
