package explain

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/patch"
)

// Live is what the cluster says of an app.
type Live struct {
	Parameter LiveParameter `json:"parameter"`
	// ExternalSecret is what fills the Secret; nil where nothing does, or where
	// it may not be read.
	ExternalSecret *LiveExternalSecret `json:"externalSecret,omitempty"`
	Pods           []Pod               `json:"pods"`
	// NotSeen are the rights that were missing.
	NotSeen []clusterview.Right `json:"notSeen"`
	// Notes are what else is to be known of all this.
	Notes []string `json:"notes"`
}

// LiveParameter is what is known of the parameter.
type LiveParameter struct {
	// Version is 0 where it is not known.
	Version int64 `json:"version,omitempty"`
	// Since is since when it has been as it is, as far as that is known.
	Since *time.Time `json:"since,omitempty"`
	// Keys says from where the keys are known; empty where they are not.
	Keys string `json:"keysFrom,omitempty"`
}

// LiveExternalSecret is what fills the Secret.
type LiveExternalSecret struct {
	Name      string     `json:"name"`
	Store     string     `json:"store"`
	Synced    bool       `json:"synced"`
	Refreshed *time.Time `json:"refreshed,omitempty"`
	Message   string     `json:"message,omitempty"`
}

// Pod is one running pod of the workload.
type Pod struct {
	Name      string                `json:"name"`
	Injected  bool                  `json:"injected"`
	Version   int64                 `json:"version,omitempty"`
	Freshness clusterview.Freshness `json:"freshness"`
	Why       string                `json:"why,omitempty"`
	// Differs are the variables that the next pod gets from elsewhere.
	Differs []Change `json:"differs,omitempty"`
}

// Explain explains one workload or pod: of a workload its next pod, of a pod
// what it has.
func (c Explainer) Explain(ctx context.Context, app *clusterview.App) (Explanation, error) {
	result, grafted, err := graftTemplate(app)
	if err != nil {
		return Explanation{}, err
	}
	next, err := c.next(ctx, app, result.Report.Status, grafted)
	if err != nil {
		return Explanation{}, err
	}
	if !app.Decided() {
		result.Report.Status, result.Report.Reason = StatusUnknown, WarnNamespaceUnknown
		result.Report.Message = fmt.Sprintf("the pod itself did not opt in, and the labels of namespace %q were not seen", app.Workload.Namespace)
	}
	s := c.subject(ctx, app, result.Report, next.pod)
	s.admitted = next.admitted
	if app.Workload.Kind.Kind == environPod {
		s.Report, s.Pod = RunningReport(app.Subject, len(app.Pods.Value) == 1 && app.Pods.Value[0].Injected()), app.Workload.Template
	}
	e, err := s.Explain()
	if err != nil {
		return Explanation{}, err
	}
	e.Live = liveOf(app)
	if next.note != "" {
		e.Live.Notes = append(e.Live.Notes, next.note)
	}
	if app.Workload.Kind.Kind != environPod && app.Decided() {
		c.compare(ctx, app, &e)
	}
	e.Live.NotSeen = append(e.Live.NotSeen, c.Missing()...)
	return e, nil
}

// StatusUnknown is the outcome for a pod where what decides it was not seen.
const StatusUnknown graft.Status = "not known"

// environPod is the kind of a pod that stands for itself.
const environPod = "Pod"

// graftTemplate does to a workload's template what the webhook does to its
// next pod, by what was seen.
func graftTemplate(app *clusterview.App) (graft.Result, []byte, error) {
	result := app.Subject.Graft(app.Facts())
	next, err := patch.Apply(app.Workload.Template, result.Operations)
	return result, next, err
}

// subject gathers what is to be explained, and where keys and values are.
func (c Explainer) subject(ctx context.Context, app *clusterview.App, report graft.Report, pod []byte) Subject {
	objects := NewObjects(ctx, c.Reader, app)
	w := app.Workload
	return Subject{
		Kind: w.Kind.Kind, Namespace: w.Namespace, Name: w.Name, From: w.String(), Report: report, Pod: pod,
		Keys: objects.keys, values: objects.values,
	}
}

func liveOf(app *clusterview.App) *Live {
	l := &Live{Pods: []Pod{}, NotSeen: []clusterview.Right{}, Notes: notesOf(app)}
	l.Parameter.Version = app.Version()
	l.Parameter.Since = pointer(app.Rotated())
	if _, ok := app.Record(); ok {
		l.Parameter.Keys = "ExternalSecret/" + app.ExternalSecret.Name
	} else if app.Secret.State == clusterview.Found {
		l.Parameter.Keys = "Secret/" + app.Subject.Identity.Secret
	}
	if e := app.ExternalSecret; e != nil {
		l.ExternalSecret = &LiveExternalSecret{
			Name: e.Name, Store: e.Spec.SecretStoreRef.String(), Synced: e.SecretExists(), Refreshed: pointer(e.Status.RefreshTime.Time),
		}
		if ready := e.Ready(); ready != nil && !e.SecretExists() {
			l.ExternalSecret.Message = ready.Reason + ": " + ready.Message
		}
	}
	for _, pod := range app.Pods.Value {
		judged := app.Judge(pod)
		l.Pods = append(l.Pods, Pod{
			Name: pod.Metadata.Name, Injected: pod.Injected(), Version: pod.Version(), Freshness: judged.Freshness, Why: judged.Why,
		})
	}
	return l
}

// notesOf says what all the rest is to be taken with.
func notesOf(app *clusterview.App) []string {
	notes := []string{}
	if app.Settings.Assumed != "" {
		notes = append(notes, fmt.Sprintf("the cluster's configuration is not known, so environment %q and all names are defaults: %s; give --config",
			app.Settings.Configuration.Environment, app.Settings.Assumed))
	}
	if app.Namespace.State != clusterview.Found {
		notes = append(notes, fmt.Sprintf("namespace %q could not be read, so its labels count as not set: %s",
			app.Workload.Namespace, cmp.Or(app.Namespace.Cause, string(app.Namespace.State))))
	}
	if note := unreadNote(app); note != "" && len(app.Pods.Value) > 0 {
		notes = append(notes, note)
	}
	if app.ExternalSecrets.State == clusterview.NotFound {
		notes = append(notes, app.ExternalSecrets.Cause)
	}
	return notes
}

// pointer leaves a zero time out of JSON.
func pointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Explainer explains workloads by what its Reader sees in a cluster.
type Explainer struct{ *clusterview.Reader }
