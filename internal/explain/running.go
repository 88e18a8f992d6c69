package explain

import (
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: a pod gets its environment when it is created, and never after. So
// what the engine would do now says nothing of a pod that runs; its annotation
// does.

// reasonNotInjected is for a running pod that the next one will differ from.
const reasonNotInjected graft.Reason = "NotInjected"

// RunningReport is the report on a pod that runs. subject is what the engine
// makes of it now.
func RunningReport(subject *graft.Subject, injected bool) graft.Report {
	report := graft.Report{Status: graft.StatusSkipped, Reason: subject.Reason, Message: subject.Message, Identity: subject.Identity}
	switch {
	case injected:
		report.Status, report.Reason, report.Message = graft.StatusInjected, graft.ReasonInjected, ""
	case subject.Status == graft.StatusInjected:
		report.Reason = reasonNotInjected
		report.Message = "it was created without envgraft, and a running pod cannot be changed; the next one would be injected: " +
			"restart its workload; envgraft doctor prints the command"
	case subject.Status == graft.StatusDenied:
		report.Message = "it was created without envgraft; the next one would be denied: " + subject.Message
	}
	return report
}

// WarnNamespaceUnknown is a warning of the commands alone: a cluster always
// knows its namespaces.
const WarnNamespaceUnknown graft.Reason = "NamespaceUnknown"
