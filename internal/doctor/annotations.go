package doctor

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/workload"
)

// The rule: Reloader's annotations stand on the workload's own metadata, and
// name the Secret. It never reads those of pods, and those of a template only
// where the metadata has none.

func checkAnnotations(p Patient) Finding {
	switch {
	case !p.Settings.Configuration.Reload.Enabled:
		return unneeded("reload.enabled is false")
	case !p.reloads():
		return unneeded("%s", p.noReload())
	case !p.needsSecret():
		return noSecret()
	}
	w, secret := p.App.Workload, p.App.Subject.Identity.Secret
	where := w.Annotations
	for _, key := range []string{api.ReloaderSecret, api.ReloaderAuto} {
		if _, ok := where[key]; ok {
			break
		}
		if _, ok := w.TemplateMeta().Annotations[key]; ok && len(where[api.ReloaderSecret]) == 0 {
			where = w.TemplateMeta().Annotations
		}
	}
	if names(where[api.ReloaderSecret], secret) {
		return ok("%s names %s", api.ReloaderSecret, secret)
	}
	if where[api.ReloaderAuto] == "false" {
		return unneeded("reloads are switched off for %s", w)
	}
	value := secret
	if have := where[api.ReloaderSecret]; have != "" {
		value = have + "," + secret
	}
	return broken(p.kubectl("annotate %s %s --overwrite", w, word(api.ReloaderSecret+"="+value)),
		"%s has no annotation %s that names %s: the workload webhook was not called when it was applied", w, api.ReloaderSecret, secret)
}

// reloads says that envgraft has Reloader restart this kind of workload.
func (p Patient) reloads() bool {
	kind := workload.KindOf(schema.GroupKind{Group: p.App.Workload.Kind.Group, Kind: p.App.Workload.Kind.Kind})
	return kind.Restartable && p.App.Subject.Status == graft.StatusInjected && !p.reloadDisabled()
}

func (p Patient) noReload() string {
	if kind := p.App.Workload.Kind.Kind; kind == "CronJob" || kind == "Job" {
		return "Reloader would run a " + kind + " off schedule; each run starts with the data of its time"
	}
	if p.reloadDisabled() {
		return "annotation " + api.AnnotationReload + ": " + api.Disabled
	}
	return "nothing restarts it"
}

func (p Patient) reloadDisabled() bool {
	return p.App.Workload.Annotations[api.AnnotationReload] == api.Disabled
}

// names says that an expression of the list is the name. It tells nothing of
// other expressions: whoever wrote them knows what they match.
func names(value, name string) bool {
	for entry := range strings.SplitSeq(value, ",") {
		entry = strings.TrimSpace(entry)
		if entry == name || entry == regexp.QuoteMeta(name) || strings.ContainsAny(entry, `*+?[(|`) {
			return true
		}
	}
	return false
}
