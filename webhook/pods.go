package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/jsonscan"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/tracing"
)

// ParameterGetter answers questions about the keys of parameters.
type ParameterGetter interface {
	Parameter(ctx context.Context, q facts.Question) facts.Parameter
}

// ConfigMapGetter returns the keys of a ConfigMap.
type ConfigMapGetter interface {
	// Prefetch has them read where they are not known, and does not wait.
	Prefetch(ctx context.Context, namespace, name string)
	// ConfigMap waits for them, until ctx is done at most.
	ConfigMap(ctx context.Context, namespace, name string) graft.ConfigMap
}

// ExternalSecretGetter returns what is known of an app's ExternalSecret. It
// makes no calls.
type ExternalSecretGetter interface {
	State(ctx context.Context, namespace string, d graft.Decision) facts.State
	// Recorded waits until the keys are recorded that State has a replica await,
	// or ctx is done.
	Recorded(ctx context.Context, namespace string, d graft.Decision) facts.State
}

// Notifier tells a pod's owner what was found; it must not wait.
type Notifier interface {
	Notify(namespace string, owner metav1.OwnerReference, report graft.Report)
}

// Pods is the handler of Pod creation.
type Pods struct {
	Engine          *graft.Engine
	Namespaces      NamespaceGetter
	Parameters      ParameterGetter
	ConfigMaps      ConfigMapGetter
	ExternalSecrets ExternalSecretGetter
	// Notices is nil where nobody can be told.
	Notices Notifier
	// Tracer is nil where nobody collects traces.
	Tracer  *tracing.Tracer
	Metrics Recorder
	Log     logr.Logger
	// FactsTimeout is the most that an admission waits for facts.
	FactsTimeout time.Duration
}

var _ admission.Handler = &Pods{}

// podResource is the only resource that the handler takes.
func podResource() metav1.GroupVersionResource {
	return metav1.GroupVersionResource(corev1.SchemeGroupVersion.WithResource("pods"))
}

// review reads the pod's metadata with the review, of which it is the most.
func (p *Pods) review() (objectReader, decider) {
	var pod graft.Pod
	return func(s *jsonscan.Scanner) { pod = graft.ReadPod(s) },
		func(ctx context.Context, request admission.Request) admission.Response {
			if request.Object.Raw == nil { // nothing was read
				return p.Handle(ctx, request)
			}
			return p.handle(ctx, request, pod)
		}
}

// Handle answers one review.
func (p *Pods) Handle(ctx context.Context, request admission.Request) admission.Response {
	return p.handle(ctx, request, graft.ParsePod(request.Object.Raw))
}

func (p *Pods) handle(ctx context.Context, request admission.Request, pod graft.Pod) admission.Response {
	start := time.Now()
	if request.Resource != podResource() || request.SubResource != "" {
		return admission.Errored(http.StatusBadRequest, fmt.Errorf(
			"cannot inject %s %q: this webhook takes pods", request.Resource.String(), request.SubResource))
	}
	if request.Operation != admissionv1.Create {
		// Containers of a pod that exists cannot get envFrom any more.
		return admission.Allowed("")
	}
	ctx, span := p.Tracer.Start(ctx, "admission")
	defer span.End()
	span.Set("k8s.namespace.name", request.Namespace)
	span.Set("envgraft.uid", string(request.UID))
	subject, err := p.inspect(ctx, request.Namespace, pod)
	if errors.Is(err, errBypassed) {
		return admission.Allowed("")
	}
	if err != nil {
		p.Log.Error(err, "Cannot read the namespace", "namespace", request.Namespace, "uid", request.UID)
		return admission.Errored(http.StatusInternalServerError, fmt.Errorf("cannot read namespace %q: %w", request.Namespace, err))
	}

	var known graft.Facts
	if subject.Grafts() {
		known = p.facts(ctx, request, subject)
	}
	_, grafting := p.Tracer.Start(ctx, "graft")
	result := subject.Graft(known)
	grafting.End()
	span.Set("envgraft.app", result.Report.Identity.App)
	span.Set("envgraft.status", string(result.Report.Status))
	span.Set("envgraft.reason", string(result.Report.Reason))
	p.record(request, result.Report, time.Since(start))
	switch result.Report.Status {
	case graft.StatusDenied:
		response := admission.Denied(result.Report.Message)
		response.Warnings = texts(result.Report.Warnings)
		return response
	case graft.StatusInjected, graft.StatusSkipped, graft.StatusAudited:
	}
	return patched(result.Operations, result.Report.Warnings)
}

// tooLong denies a pod that takes more to graft than an answer may hold.
func (p *Pods) tooLong(limit int) admission.Response {
	p.Log.Info("Denied a pod whose patch would be too long", "maxBytes", limit)
	response := admission.Denied(fmt.Sprintf("grafting this pod takes a patch of more than %d bytes "+
		"(server.limits.maxAnswerBytes): name fewer variables in env that the parameter or the ConfigMap have too", limit))
	response.Result.Code = http.StatusRequestEntityTooLarge
	return response
}

// inspect reads the pod, and decides what labels and annotations tell.
func (p *Pods) inspect(ctx context.Context, namespace string, pod graft.Pod) (subject *graft.Subject, err error) {
	ctx, span := p.Tracer.Start(ctx, "identity")
	defer span.End()
	err = decide(ctx, p.Namespaces, namespace, func(ns identity.Namespace) identity.OptIn {
		subject = p.Engine.InspectPod(ns, pod)
		return subject.OptIn
	})
	return subject, err
}

// facts asks for everything at once: an admission waits for the slowest, and
// never longer than its timeout. What asks has goroutines of its own; what is
// known, as it mostly is, needs none: to start one costs more than the engine does.
func (p *Pods) facts(ctx context.Context, request admission.Request, subject *graft.Subject) graft.Facts {
	ctx, cancel := context.WithTimeout(ctx, p.FactsTimeout)
	defer cancel()
	ctx, span := p.Tracer.Start(ctx, "facts")
	defer span.End()
	namespace, id := request.Namespace, subject.Identity
	var known graft.Facts
	if subject.Settings.Secrets {
		state := p.ExternalSecrets.State(ctx, namespace, subject.Decision)
		switch state.Keys.(type) {
		case facts.Ask, facts.Await:
			p.ConfigMaps.Prefetch(ctx, namespace, id.ConfigMap)
		}
		known.ExternalSecret, known.SecretMissing, known.NeverSeen = state.Problem, state.SecretMissing, state.NeverSeen
		known.Parameter = p.parameter(ctx, state.Keys, request, subject.Decision)
	}
	known.ConfigMap = p.ConfigMaps.ConfigMap(ctx, namespace, id.ConfigMap)
	return known
}

// parameter asks only for what is not known already.
func (p *Pods) parameter(ctx context.Context, keys facts.Keys, request admission.Request, d graft.Decision) graft.Parameter {
	if _, awaits := keys.(facts.Await); awaits && originOf(request.Object.Raw).workload() {
		keys = p.recorded(ctx, request.Namespace, d)
	}
	switch keys := keys.(type) {
	case facts.Known:
		return keys.Parameter
	case facts.NotChecked:
		return graft.Parameter{State: graft.ParameterUnchecked, Cause: keys.Cause}
	case facts.Ask:
		return p.ask(ctx, keys.Question)
	case facts.Await:
		return p.ask(ctx, keys.Question)
	}
	return graft.Parameter{State: graft.ParameterUnchecked, Cause: "nothing says which store reads it"}
}

// recorded waits for the leader, and leaves time to ask where it records nothing:
// replicas that answer otherwise would let in what another one denies.
func (p *Pods) recorded(ctx context.Context, namespace string, d graft.Decision) facts.Keys {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*2/3)
		defer cancel()
	}
	return p.ExternalSecrets.Recorded(ctx, namespace, d).Keys
}

func (p *Pods) ask(ctx context.Context, q facts.Question) graft.Parameter {
	known := p.Parameters.Parameter(ctx, q).Parameter
	known.Name = q.Parameter
	return known
}

// record counts and logs one answer: a line an admission at debug, denials
// above it. The request's uid finds it in the API server's audit log.
func (p *Pods) record(request admission.Request, report graft.Report, took time.Duration) {
	p.Metrics.Admission(metrics.WebhookPods, report.Status, report.Reason, took)
	for _, w := range report.Warnings {
		p.Metrics.Warning(w.Reason)
	}
	dryRun := request.DryRun != nil && *request.DryRun
	// Notices are of warnings and audits; other pods' owners are not even read.
	tell := p.Notices != nil && !dryRun && (len(report.Warnings) > 0 || report.Status == graft.StatusAudited)
	if !tell && report.Status != graft.StatusDenied && report.Status != graft.StatusAudited && !p.Log.V(1).Enabled() {
		return
	}
	from := originOf(request.Object.Raw)
	if tell {
		p.Notices.Notify(request.Namespace, from.Owner, report)
	}
	log := p.Log.WithValues("namespace", request.Namespace, "uid", request.UID, "dryRun", dryRun,
		"generateName", from.GenerateName, "name", from.Name, "owner", from.owner(),
		"reason", report.Reason, "app", report.Identity.App, "parameterState", report.Parameter)
	switch report.Status {
	case graft.StatusDenied:
		log.Info("Denied a pod", "message", report.Message)
	case graft.StatusAudited:
		log.Info("Audited a pod", "would", report.Would, "message", report.Message, "warnings", len(report.Warnings))
	case graft.StatusInjected, graft.StatusSkipped:
		log.V(1).Info("Admitted a pod", "status", report.Status, "warnings", len(report.Warnings), "tookMilliseconds", took.Milliseconds())
	}
}
