// Package doctor judges the chain that gives a workload its environment, link
// by link, and stops at the first that is broken: nothing after it can be whole.
// It is pure: everything that a check reads is in the Input, which
// internal/clusterview and its callers gather first. One check a file, with its
// rule on top; all commands that a finding prints are in fixes.go.
package doctor

import (
	"fmt"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/parameters"
)

// Status is the result of a check.
type Status string

// The statuses.
const (
	// OK is a link that holds.
	OK Status = "ok"
	// Warning is a link that holds, and of which somebody should know something.
	Warning Status = "warning"
	// Broken is the link that is to be fixed.
	Broken Status = "broken"
	// Unseen is a link that could not be read: a right is missing.
	Unseen Status = "not seen"
	// Unneeded is a link that this workload does without.
	Unneeded Status = "not needed"
	// Unreached comes after the broken link.
	Unreached Status = "not reached"
)

// Finding is the result of one check.
type Finding struct {
	Check   string `json:"check"`
	Status  Status `json:"status"`
	Message string `json:"message,omitempty"`
	// Fix is a command that fixes the link; only with Broken. It overwrites and
	// deletes nothing that it did not read.
	Fix string `json:"fix,omitempty"`
	// Ask says what to ask the owner for, where the reader cannot make the fix.
	Ask string `json:"ask,omitempty"`

	// fixName names the function of fixes.go, for the test that runs them all.
	fixName string
}

// Input is everything that was read of a workload, or of the installation alone
// where App is nil.
type Input struct {
	Now      time.Time
	App      *clusterview.App
	Settings clusterview.Settings
	// Installation is where envgraft itself runs, as namespace/name.
	Installation string
	Webhooks     clusterview.Seen[clusterview.Webhooks]
	// Backends are the pods behind the Service that the API server calls.
	Backends  clusterview.Seen[clusterview.Backends]
	Operators clusterview.Seen[clusterview.Operators]
	// OperatorNamespaces are those of the operators that are not excluded, by name.
	OperatorNamespaces map[string]clusterview.Seen[identity.Namespace]
	// ESO is the version of ExternalSecrets that the cluster serves.
	ESO       clusterview.Seen[string]
	StoreRef  clusterview.StoreRef
	Store     clusterview.Seen[clusterview.Store]
	Admission clusterview.Seen[clusterview.Admission]
	// Complaint is ESO's last warning about the ExternalSecret.
	Complaint clusterview.Complaint
	// Parameter is what the reader's own AWS credentials saw; nil without.
	Parameter *parameters.Checked
}

// link is one check of the chain.
type link struct {
	name  string
	check func(Input) Finding
	stage int
	// installation is true for what is checked without a workload, too.
	installation bool
}

// The stages of the chain: what leads from the parameter to the ExternalSecret,
// from there to the Secret, and from there to the pods.
const (
	stageParameter = iota
	stageSecret
	stagePods
	stages
)

// chain is the one list of links, in the order in which a label becomes an
// environment. A cause comes before its symptoms: pods are stale because no
// Reloader runs, and replicas are not ready because their webhook
// configuration is gone.
func chain() []link {
	return []link{
		{"configuration", checkConfiguration, stagePods, true},
		{"webhook", checkWebhook, stagePods, true},
		{"envgraft", checkEnvgraft, stagePods, true},
		{"service", checkService, stagePods, true},
		{"certificate", checkCertificate, stagePods, true},
		{"namespace", checkNamespace, stagePods, false},
		{"labels", checkLabels, stagePods, false},
		{"admission", checkAdmission, stagePods, false},
		{"otherwebhooks", checkOtherWebhooks, stagePods, false},
		{"operator", checkOperator, stageParameter, true},
		{"store", checkStore, stageParameter, true},
		{"externalsecret", checkExternalSecret, stageParameter, false},
		{"parameter", checkParameter, stageParameter, false},
		{"sync", checkSync, stageSecret, false},
		{"secret", checkSecret, stageSecret, false},
		{"configmap", checkConfigMap, stagePods, false},
		{"reloader", checkReloader, stagePods, true},
		{"annotations", checkAnnotations, stagePods, false},
		{"pods", checkPods, stagePods, false},
	}
}

// Checks names all checks, in their order.
func Checks() []string {
	var names []string
	for _, l := range chain() {
		names = append(names, l.name)
	}
	return names
}

// Examine goes along the chain.
func Examine(in Input) []Finding {
	var findings []Finding
	broken := false
	for _, l := range chain() {
		if in.App == nil && !l.installation {
			continue
		}
		f := Finding{Status: Unreached}
		if !broken {
			f = l.check(in)
		}
		f.Check = l.name
		broken = broken || f.Status == Broken
		findings = append(findings, f)
	}
	return findings
}

// FirstBroken returns the link to fix, if there is one.
func FirstBroken(findings []Finding) (Finding, bool) { return first(findings, Broken) }

func first(findings []Finding, status Status) (Finding, bool) {
	for _, f := range findings {
		if f.Status == status {
			return f, true
		}
	}
	return Finding{}, false
}

// Problem is the one finding that a line has room for: the broken link, else the
// first warning.
func Problem(findings []Finding) (Finding, bool) {
	if f, ok := FirstBroken(findings); ok {
		return f, true
	}
	return first(findings, Warning)
}

// Healthy says that no link was found broken.
func Healthy(findings []Finding) bool {
	_, broken := FirstBroken(findings)
	return !broken
}

func ok(format string, arguments ...any) Finding {
	return Finding{Status: OK, Message: fmt.Sprintf(format, arguments...)}
}

func warn(format string, arguments ...any) Finding {
	return Finding{Status: Warning, Message: fmt.Sprintf(format, arguments...)}
}

func unneeded(format string, arguments ...any) Finding {
	return Finding{Status: Unneeded, Message: fmt.Sprintf(format, arguments...)}
}

func unseen(cause string) Finding { return Finding{Status: Unseen, Message: cause} }

func broken(by fix, format string, arguments ...any) Finding {
	return Finding{Status: Broken, Message: fmt.Sprintf(format, arguments...), Fix: by.command, Ask: by.ask, fixName: by.name}
}

// notInjected is the finding of links that only injected pods have. Where it is
// not known whether they are injected, nothing can be said.
func notInjected(in Input) (Finding, bool) {
	switch {
	case in.App.Subject.Status == graft.StatusInjected:
		return Finding{}, false
	case !in.App.Decided():
		return unseen(in.App.Namespace.Cause), true
	}
	return unneeded("the pods are not injected"), true
}

// noSecret is the finding of links that lead to the Secret alone.
func noSecret(in Input) (Finding, bool) {
	if f, stop := notInjected(in); stop {
		return f, true
	}
	if !in.App.Subject.Settings.Secrets {
		return unneeded("annotation envgraft.dev/secrets: disabled"), true
	}
	return Finding{}, false
}
