package clusterview

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/workload"
)

// Overview is all apps of a namespace, or of the cluster, each as App has it,
// by a few lists: of pods that have started their metadata alone, and neither
// Secrets nor ConfigMaps, so that it stays cheap where there are thousands.
type Overview struct {
	Apps []*App
	// Complaints are ESO's, by namespace/name of the ExternalSecret. They are read
	// only where one is not synced.
	Complaints map[string]Complaint
	// Causes say what could not be listed.
	Causes []string
}

// The pods whose environment matters: those that wait, of which the status says
// for what, and those that run.
const (
	pending = "status.phase=Pending"
	started = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Pending"
)

// Overview reads it. namespace is empty for the whole cluster.
func (r *Reader) Overview(ctx context.Context, settings Settings, namespace, selector string) Overview {
	var o Overview
	known := namespacesOf(ctx, r, namespace)
	o.note(known.State, known.Cause)
	workloads, failed := r.Workloads(ctx, namespace, selector)
	for _, f := range failed {
		o.note(f.State, f.Cause)
	}
	secrets := r.ExternalSecrets(ctx, namespace)
	o.note(secrets.State, secrets.Cause)
	pods := livePods(ctx, r, namespace)
	o.note(pods.State, pods.Cause)

	engine := graft.New(settings.Configuration.Engine())
	running := group(pods.Value, workloads)
	for _, w := range workloads {
		ns, ok := known.Value[w.Namespace]
		a := &App{Settings: settings, Workload: w, ExternalSecrets: secrets, Failure: w.failure, Pods: Seen[[]Pod]{State: pods.State, Cause: pods.Cause}}
		a.Namespace = Seen[identity.Namespace]{State: known.State, Cause: known.Cause, Value: ns}
		if !ok && known.State == Found {
			a.Namespace.State = NotFound
		}
		a.Subject = engine.Inspect(a.identityNamespace(), w.Template)
		if len(w.Template) == 0 || a.Subject.Status == graft.StatusSkipped && a.Subject.Reason != graft.ReasonNoApp {
			continue
		}
		id := a.Subject.Identity
		a.ExternalSecret = secrets.Value.Filling(w.Namespace, id.ExternalSecret, id.Secret)
		a.Pods.Value = running[podKey(w.Namespace, w.Kind.Kind, w.Name)]
		o.Apps = append(o.Apps, a)
	}
	slices.SortStableFunc(o.Apps, func(a, b *App) int { return strings.Compare(a.Workload.Namespace, b.Workload.Namespace) })
	explainTroubles(ctx, r, namespace, &o)
	return o
}

// explainTroubles reads Events, one list each, where an app has a fault whose
// cause only they say.
func explainTroubles(ctx context.Context, r *Reader, namespace string, o *Overview) {
	if slices.ContainsFunc(o.Apps, func(a *App) bool { return a.ExternalSecret != nil && !a.ExternalSecret.SecretExists() }) {
		o.Complaints = r.Complaints(ctx, namespace)
	}
	lacking := func(a *App) bool { return a.Workload.failsByEvents() && len(a.Pods.Value) < a.Workload.Wanted() }
	if !slices.ContainsFunc(o.Apps, lacking) {
		return
	}
	failures := failures(ctx, r, namespace)
	for _, a := range o.Apps {
		if lacking(a) {
			a.Failure = failures[podKey(a.Workload.Namespace, a.Workload.Kind.Kind, a.Workload.Name)]
		}
	}
}

// livePods lists pods that have not ended.
func livePods(ctx context.Context, r *Reader, namespace string) Seen[[]Pod] {
	waiting := list[Pod](ctx, r, pods(), namespace, query{accept: whole, fields: pending})
	if waiting.State != Found {
		return waiting
	}
	running := list[Pod](ctx, r, pods(), namespace, query{accept: metadataList, fields: started})
	for i := range running.Value {
		running.Value[i].Partial = true
	}
	running.Value = append(running.Value, waiting.Value...)
	slices.SortStableFunc(running.Value, func(a, b Pod) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	return running
}

func (o *Overview) note(s State, cause string) {
	if s == Forbidden || s == Failed || s == NotFound && cause != "" {
		o.Causes = append(o.Causes, cause)
	}
}

// namespacesOf reads one Namespace, or all.
func namespacesOf(ctx context.Context, r *Reader, namespace string) Seen[map[string]identity.Namespace] {
	if namespace == "" {
		return r.Namespaces(ctx)
	}
	one := r.Namespace(ctx, namespace)
	all := Seen[map[string]identity.Namespace]{State: one.State, Cause: one.Cause, Value: map[string]identity.Namespace{}}
	if one.State == Found {
		all.Value[namespace] = one.Value
	}
	return all
}

// group sorts pods by their workloads. A CronJob's Jobs are called by its own
// name and the minute of their run; a Job of another maker may be called alike.
func group(pods []Pod, workloads []Workload) map[string][]Pod {
	known := map[string]bool{}
	for _, w := range workloads {
		known[podKey(w.Namespace, w.Kind.Kind, w.Name)] = true
	}
	running := map[string][]Pod{}
	for _, pod := range pods {
		kind, name := pod.top()
		ns := pod.Metadata.Namespace
		if at := strings.LastIndex(name, "-"); kind == workload.Job && at > 0 && strings.Trim(name[at+1:], "0123456789") == "" && !known[podKey(ns, kind, name)] {
			kind, name = workload.CronJob, name[:at]
		}
		if pod.Metadata.DeletionTimestamp == nil {
			key := podKey(ns, kind, name)
			running[key] = append(running[key], pod)
		}
	}
	return running
}

func podKey(namespace, kind, name string) string { return namespace + "/" + kind + "/" + name }

// madeByKnown says that an object of the overview makes this one: that has the
// row. What an operator's own object makes has a row itself.
func madeByKnown(k Kind, owner *metav1.OwnerReference) bool {
	if owner == nil {
		return false
	}
	maker := workload.FromOwner("", *owner).GroupKind()
	return workload.KindOf(k.groupKind()).MadeBy(maker)
}
