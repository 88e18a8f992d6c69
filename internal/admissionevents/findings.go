package admissionevents

import (
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/graft"
)

// ReasonAudited is of the Event about a pod in a Namespace in audit mode. The
// others have the reason of their warning.
const ReasonAudited = "Audited"

// finding is what an admission found, with all that it found of a kind in one.
type finding struct {
	reason string
	note   string
}

// Reasons are the warnings that become Events: what people must do something
// about, and what the controller does not tell by itself.
func Reasons() []graft.Reason {
	return []graft.Reason{graft.WarnNoApp, graft.WarnUncheckedLiterals, graft.WarnShadowedKey, graft.WarnRunsWithout}
}

func findings(report graft.Report) []finding {
	var all []finding
	if report.Status == graft.StatusAudited {
		all = append(all, finding{ReasonAudited, bounded.Middle(auditNote(report), bounded.Note)})
	}
	for _, reason := range Reasons() {
		var notes []string
		for _, w := range report.Warnings {
			if w.Reason == reason {
				notes = append(notes, w.Message)
			}
		}
		if len(notes) > 0 {
			all = append(all, finding{string(reason), bounded.Middle(joined(notes), bounded.Note)})
		}
	}
	return all
}

// joined joins as many notes as an Event has room for.
func joined(notes []string) string {
	room := bounded.Note
	for i, note := range notes {
		if room -= len(note) + len("; "); room < 0 && i > 0 {
			return fmt.Sprintf("%s; and %d more", strings.Join(notes[:i], "; "), len(notes)-i)
		}
	}
	return strings.Join(notes, "; ")
}

// auditNote says what would have been done.
func auditNote(report graft.Report) string {
	if report.Would == graft.StatusDenied {
		return fmt.Sprintf("would be denied (%s): %s", report.Reason, report.Message)
	}
	var bound []string
	for _, c := range report.Containers {
		for _, r := range c.Rebound {
			bound = append(bound, fmt.Sprintf("%s of container %s", r.Name, c.Name))
		}
	}
	note := fmt.Sprintf("would be injected: ConfigMap %q, then parameter %q", report.Identity.ConfigMap, report.Identity.Parameter)
	if len(bound) == 0 {
		return note
	}
	more := ""
	if len(bound) > maxVariables {
		more = fmt.Sprintf(" and %d more", len(bound)-maxVariables)
		bound = bound[:maxVariables]
	}
	return note + "; literals that would give way: " + strings.Join(bound, ", ") + more
}
