package doctor

import (
	"regexp"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: labels and annotations say who the app is, and the engine
// understands all of them.

func checkLabels(p Patient) Finding {
	d := p.App.Subject
	switch {
	case d.Status == graft.StatusInjected:
		return ok("app %s of system %s in environment %s", d.Identity.App, d.Identity.System, d.Identity.Environment)
	case d.Reason == graft.ReasonNotOptedIn && p.App.Namespace.State != clusterview.Found:
		return unseen(p.App.Namespace.Cause)
	case d.Reason == graft.ReasonNoApp:
		return broken(p.patchTemplate("labels", api.LabelApp, p.App.Workload.Name), "%s", d.Message)
	}
	return broken(p.fixOf(d.Message), "%s", d.Message)
}

// named finds the key in a message of the engine, which always names it.
var named = regexp.MustCompile(`(annotation|label) (` + regexp.QuoteMeta(api.Group) + `/[a-z-]+)`)

// command finds the command that a message of the engine ends with.
var command = regexp.MustCompile(`kubectl (?:label|annotate) namespace [A-Za-z0-9 ._/=,:-]+$`)

// fixOf is the command in the engine's own message, else the removal of the
// key that it names.
func (p Patient) fixOf(message string) string {
	meta := p.App.Workload.TemplateMeta()
	if match := named.FindStringSubmatch(message); match != nil {
		if _, ok := meta.Annotations[match[2]]; ok && match[1] == "annotation" {
			return p.patchTemplate("annotations", match[2], "null")
		}
		if _, ok := meta.Labels[match[2]]; ok && match[1] == "label" {
			return p.patchTemplate("labels", match[2], "null")
		}
	}
	return strings.TrimSpace(command.FindString(message))
}
