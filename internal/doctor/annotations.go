package doctor

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
)

// The rule: Reloader's annotations are on the workload's own metadata, name the
// Secret, and do not exclude it. It never reads those of pods, and those of a
// template only where the metadata has none.

// excludeSecrets is Reloader's annotation for Secrets that it does not act on,
// whatever else names them.
const excludeSecrets = "secrets.exclude." + api.ReloaderPrefix + "reload"

func checkAnnotations(in Input) Finding {
	if !in.Settings.Configuration.Reload.Enabled {
		return unneeded("reload.enabled is false")
	}
	if f, stop := noSecret(in); stop {
		return f
	}
	if f, stop := noReload(in); stop {
		return f
	}
	w, secret := in.App.Workload, in.App.Subject.Identity.Secret
	if excluded := listed(w.Annotations[excludeSecrets]); slices.Contains(excluded, secret) {
		rest := slices.DeleteFunc(excluded, func(n string) bool { return n == secret })
		by := unannotate(in, excludeSecrets)
		if len(rest) > 0 {
			by = annotate(in, excludeSecrets, strings.Join(rest, ","))
		}
		return broken(by, "%s has annotation %s, which names %s: Reloader does not restart it for that Secret", w, excludeSecrets, secret)
	}
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
	return broken(annotate(in, api.ReloaderSecret, value),
		"%s has no annotation %s that names %s: the workload webhook was not called when it was applied", w, api.ReloaderSecret, secret)
}

// noReload is the finding for workloads that envgraft does not have Reloader restart.
func noReload(in Input) (Finding, bool) {
	if f, stop := notInjected(in); stop {
		return f, true
	}
	w := in.App.Workload
	kind := workload.KindOf(schema.GroupKind{Group: w.Kind.Group, Kind: w.Kind.Kind})
	switch {
	case w.Annotations[api.AnnotationReload] == api.Disabled:
		return unneeded("annotation %s: %s", api.AnnotationReload, api.Disabled), true
	case kind.Restartable:
		return Finding{}, false
	case kind.Kind == workload.CronJob, kind.Kind == workload.Job:
		return unneeded("Reloader would run a %s off schedule; each run starts with the data of its time", kind.Kind), true
	}
	return unneeded("nothing restarts it"), true
}

// listed are the entries of a comma-separated list.
func listed(value string) []string {
	var entries []string
	for entry := range strings.SplitSeq(value, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

// names says that an expression of the list is the name. Other expressions
// count as naming it: whoever wrote them knows what they match.
func names(value, name string) bool {
	return slices.ContainsFunc(listed(value), func(entry string) bool {
		return entry == name || entry == regexp.QuoteMeta(name) || strings.ContainsAny(entry, `*+?[(|`)
	})
}
