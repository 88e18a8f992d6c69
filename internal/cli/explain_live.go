package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/spf13/cobra"
	operations "gomodules.xyz/jsonpatch/v2"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// liveExplanation is what the cluster says of an app.
type liveExplanation struct {
	Parameter liveParameter `json:"parameter"`
	// ExternalSecret is what fills the Secret; nil where nothing does, or where
	// it may not be read.
	ExternalSecret *liveExternalSecret `json:"externalSecret,omitempty"`
	Pods           []livePod           `json:"pods"`
	// NotSeen are the rights that were missing.
	NotSeen []clusterview.Right `json:"notSeen"`
	// Notes are what else is to be known of all this.
	Notes []string `json:"notes"`
}

type liveParameter struct {
	// Version is 0 where it is not known.
	Version int64 `json:"version,omitempty"`
	// Since is since when it has been as it is, as far as that is known.
	Since *time.Time `json:"since,omitempty"`
	// Keys says from where the keys are known; empty where they are not.
	Keys string `json:"keysFrom,omitempty"`
}

type liveExternalSecret struct {
	Name      string     `json:"name"`
	Store     string     `json:"store"`
	Synced    bool       `json:"synced"`
	Refreshed *time.Time `json:"refreshed,omitempty"`
	Message   string     `json:"message,omitempty"`
}

type livePod struct {
	Name      string                `json:"name"`
	Injected  bool                  `json:"injected"`
	Version   int64                 `json:"version,omitempty"`
	Freshness clusterview.Freshness `json:"freshness"`
	Why       string                `json:"why,omitempty"`
	// Differs are the variables that the next pod gets from elsewhere.
	Differs []change `json:"differs,omitempty"`
}

// explainLive explains what the command line names in a cluster.
func (f *explainFlags) explainLive(command *cobra.Command, args []string) ([]explanation, error) {
	f.kube.overrides.Context.Namespace, f.kube.config = f.offline.namespace, f.offline.config
	c, err := f.kube.open()
	if err != nil {
		return nil, err
	}
	targets, err := c.targets(command.Context(), args, f.selector)
	if err != nil {
		return nil, err
	}
	settings, err := f.kube.settings(command, c)
	if err != nil {
		return nil, err
	}
	explanations := make([]explanation, len(targets))
	progress := newProgress(command.ErrOrStderr())
	defer progress.end()
	for i, w := range targets {
		progress.at(i, len(targets), w.String())
		app := c.App(command.Context(), settings, w)
		if explanations[i], err = c.explain(command.Context(), app); err != nil {
			return nil, fmt.Errorf("%s: %w", w, err)
		}
	}
	return explanations, nil
}

// checkRefs refuses names that are none of a workload.
func checkRefs(args []string) error {
	for _, arg := range args {
		if _, err := clusterview.ParseRef("", arg); err != nil {
			return err
		}
	}
	return nil
}

// targets reads what a command line names. That one cannot be read is an
// error: there is nothing to say without it.
func (c *session) targets(ctx context.Context, args []string, selector string) ([]clusterview.Workload, error) {
	if selector != "" {
		return c.selected(ctx, selector)
	}
	var targets []clusterview.Workload
	for _, arg := range args {
		ref, err := clusterview.ParseRef(c.namespace, arg)
		if err != nil {
			return nil, err
		}
		w := c.Workload(ctx, ref)
		switch {
		case w.State == clusterview.NotFound:
			return nil, fmt.Errorf("%s does not exist in namespace %q", ref, c.namespace)
		case w.State != clusterview.Found:
			return nil, fmt.Errorf("cannot read %s: %s", ref, w.Cause)
		case len(w.Value.Template) == 0:
			return nil, fmt.Errorf("%s has no pod template", ref)
		}
		targets = append(targets, w.Value)
	}
	return targets, nil
}

// selected are the workloads with the labels, and the pods that nobody owns.
func (c *session) selected(ctx context.Context, selector string) ([]clusterview.Workload, error) {
	targets, failed := c.Workloads(ctx, c.namespace, selector)
	uninjected := c.BarePods(ctx, c.namespace, selector)
	for _, pod := range uninjected.Value {
		ref, err := clusterview.ParseRef(c.namespace, "pod/"+pod.Metadata.Name)
		if err != nil {
			return nil, err
		}
		if w := c.Workload(ctx, ref); w.State == clusterview.Found {
			targets = append(targets, w.Value)
		}
	}
	if len(targets) > 0 {
		return targets, nil
	}
	for _, f := range failed {
		return nil, fmt.Errorf("cannot list workloads: %s", f.Cause)
	}
	if uninjected.State != clusterview.Found {
		return nil, fmt.Errorf("cannot list pods: %s", uninjected.Cause)
	}
	return nil, fmt.Errorf("nothing in namespace %q has labels %q", c.namespace, selector)
}

// explain explains one workload or pod: of a workload its next pod, of a pod
// what it has.
func (c *session) explain(ctx context.Context, app *clusterview.App) (explanation, error) {
	result, grafted, err := graftTemplate(app)
	if err != nil {
		return explanation{}, err
	}
	next, err := c.next(ctx, app, result.Report.Status, grafted)
	if err != nil {
		return explanation{}, err
	}
	if !app.Decided() {
		result.Report.Status, result.Report.Reason = statusUnknown, warnNamespaceUnknown
		result.Report.Message = fmt.Sprintf("the pod itself did not opt in, and the labels of namespace %q were not seen", app.Workload.Namespace)
	}
	s := c.subject(ctx, app, result.Report, next.pod)
	s.admitted = next.admitted
	if app.Workload.Kind.Kind == environPod {
		s.report, s.pod = runningReport(app.Subject, len(app.Pods.Value) == 1 && app.Pods.Value[0].Injected()), app.Workload.Template
	}
	e, err := s.explain()
	if err != nil {
		return explanation{}, err
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

// statusUnknown is the outcome for a pod where what decides it was not seen.
const statusUnknown graft.Status = "not known"

// environPod is the kind of a pod that stands for itself.
const environPod = "Pod"

// graftTemplate does to a workload's template what the webhook does to its
// next pod, by what was seen.
func graftTemplate(app *clusterview.App) (graft.Result, []byte, error) {
	result := app.Subject.Graft(app.Facts())
	next, err := patch(app.Workload.Template, result.Operations)
	return result, next, err
}

// patch applies operations of the engine.
func patch(document []byte, ops []operations.Operation) ([]byte, error) {
	if len(ops) == 0 {
		return document, nil
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return nil, err
	}
	decoded, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	patched, err := decoded.Apply(document)
	if err != nil {
		return nil, fmt.Errorf("cannot graft: %w", err)
	}
	return patched, nil
}

// subject gathers what is to be explained, and where keys and values are.
func (c *session) subject(ctx context.Context, app *clusterview.App, report graft.Report, pod []byte) subject {
	objects := &objects{
		session: c, ctx: ctx, app: app, configMaps: map[string]clusterview.Seen[clusterview.ConfigMap]{}, secrets: map[string]clusterview.Seen[clusterview.Secret]{},
	}
	w := app.Workload
	return subject{
		kind: w.Kind.Kind, namespace: w.Namespace, name: w.Name, from: w.String(), report: report, pod: pod,
		keys: objects.keys, values: objects.values,
	}
}

// objects remembers what containers refer to: several refer to the same.
type objects struct {
	*session

	ctx        context.Context //nolint:containedctx // it lives as long as one explanation, and envresolve.Keys takes none
	app        *clusterview.App
	configMaps map[string]clusterview.Seen[clusterview.ConfigMap]
	secrets    map[string]clusterview.Seen[clusterview.Secret]
}

func (o *objects) configMap(name string) clusterview.Seen[clusterview.ConfigMap] {
	if name == o.app.Subject.Identity.ConfigMap && o.app.ConfigMap.State != clusterview.Unasked {
		return o.app.ConfigMap
	}
	seen, ok := o.configMaps[name]
	if !ok {
		seen = o.ConfigMap(o.ctx, o.app.Workload.Namespace, name)
		o.configMaps[name] = seen
	}
	return seen
}

func (o *objects) values(name string) map[string]string { return o.configMap(name).Value.Data }

func (o *objects) keys(kind, name string) ([]string, bool) {
	if kind == envresolve.KindConfigMap {
		facts := clusterview.ConfigMapFacts(o.configMap(name))
		return facts.Keys, facts.State != graft.ConfigMapUnknown
	}
	if kind != envresolve.KindSecret {
		return nil, false
	}
	if name == o.app.Subject.Identity.Secret {
		p := o.app.Facts().Parameter
		return p.Keys, p.Known()
	}
	seen, ok := o.secrets[name]
	if !ok {
		seen = o.Secret(o.ctx, o.app.Workload.Namespace, name)
		o.secrets[name] = seen
	}
	return seen.Value.Keys, seen.Known()
}

// trueKeys knows a Secret by itself: what a parameter would make of it is no proof.
// Where it may not be read, the parameter stands for it if its ExternalSecret takes
// it whole.
func (o *objects) trueKeys(kind, name string) ([]string, bool) {
	if kind != envresolve.KindSecret {
		return o.keys(kind, name)
	}
	seen, ok := o.secrets[name]
	if !ok {
		seen = o.Secret(o.ctx, o.app.Workload.Namespace, name)
		o.secrets[name] = seen
	}
	if seen.Known() {
		return seen.Value.Keys, true
	}
	for _, e := range o.ExternalSecrets(o.ctx, o.app.Workload.Namespace).Value.Items {
		if e.SecretName() != name {
			continue
		}
		if parameter := e.SoleParameter(); parameter != "" && e.Record.Known() && e.Record.Parameter == parameter {
			return e.Record.Keys, true
		}
	}
	return nil, false
}

// compare says of each running pod in what the next one will differ.
func (c *session) compare(ctx context.Context, app *clusterview.App, next *explanation) {
	for i, pod := range app.Pods.Value {
		raw, err := json.Marshal(map[string]any{"spec": pod.Spec})
		if err != nil || pod.Ended() {
			continue
		}
		report := runningReport(app.Subject, pod.Injected())
		have, err := c.subject(ctx, app, report, raw).containers()
		if err == nil {
			next.Live.Pods[i].Differs = slices.DeleteFunc(differences(have, next.Containers), notSaid(app))
		}
	}
}

// notSaid knows differences that are none of envgraft's, or that may be none:
// what could not be read must not look as if the next pod had it otherwise.
func notSaid(app *clusterview.App) func(change) bool {
	others, facts := othersDoing(app.Subject.Identity), app.Facts()
	id := app.Subject.Identity
	return func(c change) bool {
		of := func(object string) bool { return c.Was == object || strings.HasPrefix(c.Was, object+"[") }
		switch {
		case others(c):
			return true
		case of(envresolve.KindSecret + "/" + id.Secret):
			return !facts.Parameter.Known() && app.Subject.Settings.Secrets
		case of(envresolve.KindConfigMap + "/" + id.ConfigMap):
			return facts.ConfigMap.State == graft.ConfigMapUnknown
		}
		return false
	}
}

// unreadNote says which differences are not said for want of a right.
func unreadNote(app *clusterview.App) string {
	facts, id := app.Facts(), app.Subject.Identity
	var unread []string
	if app.Subject.Status != graft.StatusInjected {
		return ""
	}
	if app.Subject.Settings.Secrets && !facts.Parameter.Known() {
		unread = append(unread, "parameter "+id.Parameter)
	}
	if facts.ConfigMap.State == graft.ConfigMapUnknown {
		unread = append(unread, "ConfigMap "+id.ConfigMap)
	}
	if len(unread) == 0 {
		return ""
	}
	return "the keys of " + strings.Join(unread, " and ") + " are not known, so whether variables of running pods change is not known either"
}

// othersDoing knows what is in a pod and neither in its template nor of the
// app's own objects: other webhooks, as a cloud's for identities, put it there.
func othersDoing(id identity.Identity) func(change) bool {
	return func(c change) bool {
		if c.Becomes != "" {
			return false
		}
		for _, own := range []string{envresolve.KindSecret + "/" + id.Secret, envresolve.KindConfigMap + "/" + id.ConfigMap} {
			if c.Was == own || strings.HasPrefix(c.Was, own+"[") {
				return false
			}
		}
		return true
	}
}

func liveOf(app *clusterview.App) *liveExplanation {
	l := &liveExplanation{Pods: []livePod{}, NotSeen: []clusterview.Right{}, Notes: notesOf(app)}
	l.Parameter.Version = app.Version()
	l.Parameter.Since = pointer(app.Rotated())
	if _, ok := app.Record(); ok {
		l.Parameter.Keys = "ExternalSecret/" + app.ExternalSecret.Name
	} else if app.Secret.State == clusterview.Found {
		l.Parameter.Keys = "Secret/" + app.Subject.Identity.Secret
	}
	if e := app.ExternalSecret; e != nil {
		l.ExternalSecret = &liveExternalSecret{
			Name: e.Name, Store: e.Spec.SecretStoreRef.String(), Synced: e.SecretExists(), Refreshed: pointer(e.Status.RefreshTime.Time),
		}
		if ready := e.Ready(); ready != nil && !e.SecretExists() {
			l.ExternalSecret.Message = ready.Reason + ": " + ready.Message
		}
	}
	for _, pod := range app.Pods.Value {
		judged := app.Judge(pod)
		l.Pods = append(l.Pods, livePod{
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
			app.Workload.Namespace, or(app.Namespace.Cause, string(app.Namespace.State))))
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

// resourceName writes an object as -o name does.
func resourceName(kind, name string) string {
	ref, err := clusterview.ParseRef("", strings.ToLower(kind)+"/"+name)
	if err != nil {
		return strings.ToLower(kind) + "/" + name
	}
	return ref.String()
}
