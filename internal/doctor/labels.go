package doctor

import (
	"regexp"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: labels and annotations say who the app is, and the engine
// understands all of them.

func checkLabels(in Input) Finding {
	d := in.App.Subject
	switch {
	case d.Status == graft.StatusInjected:
		return ok("app %s of system %s in environment %s", d.Identity.App, d.Identity.System, d.Identity.Environment)
	case d.Reason == graft.ReasonNotOptedIn && in.App.Namespace.State != clusterview.Found:
		return unseen(in.App.Namespace.Cause)
	case d.Reason == graft.ReasonNoApp:
		return broken(patchTemplate(in, "labels", api.LabelApp, in.App.Workload.Name), "%s", d.Message)
	}
	return broken(fixOf(in, d.Message), "%s", d.Message)
}

// named finds the key in a message of the engine, which always names it.
var named = regexp.MustCompile(`(annotation|label) (` + regexp.QuoteMeta(api.Group) + `/[a-z-]+)`)

// fixOf is the removal of the key that the engine's message names, where the
// template has it. A command within the message is the engine's advice to an
// administrator, and stays one.
func fixOf(in Input, message string) fix {
	meta := in.App.Workload.TemplateMeta()
	if match := named.FindStringSubmatch(message); match != nil {
		if _, ok := meta.Annotations[match[2]]; ok && match[1] == "annotation" {
			return patchTemplate(in, "annotations", match[2], "null")
		}
		if _, ok := meta.Labels[match[2]]; ok && match[1] == "label" {
			return patchTemplate(in, "labels", match[2], "null")
		}
	}
	return none()
}
