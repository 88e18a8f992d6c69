// Package doctor walks the chain that gives a workload its environment, link
// by link, and stops at the first that is broken: what comes behind it cannot
// be whole. It looks at what was read (internal/clusterview) and at nothing else; the
// engine decides, and nothing here knows its rules again. One check a file,
// with its rule on top.
package doctor

import (
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/parameters"
)

// Status is what came of a check.
type Status string

// The statuses.
const (
	// OK is a link that holds.
	OK Status = "ok"
	// Broken is the link that is to be mended.
	Broken Status = "broken"
	// Unseen is a link that could not be looked at: a right is missing.
	Unseen Status = "not seen"
	// Unneeded is a link that this workload does without.
	Unneeded Status = "not needed"
	// Unreached comes behind the broken link.
	Unreached Status = "not reached"
)

// Finding is what one check says.
type Finding struct {
	Check   string `json:"check"`
	Status  Status `json:"status"`
	Message string `json:"message,omitempty"`
	// Fix is a command that mends the link; only with Broken.
	Fix string `json:"fix,omitempty"`
}

// Patient is everything that was read of a workload, or of the installation
// alone where App is nil.
type Patient struct {
	App      *clusterview.App
	Settings clusterview.Settings
	// Installation is where envgraft itself runs.
	Installation string
	Webhooks     clusterview.Seen[clusterview.Webhooks]
	Operators    clusterview.Seen[clusterview.Operators]
	// ESO is the version of ExternalSecrets that the cluster serves.
	ESO       clusterview.Seen[string]
	StoreRef  clusterview.StoreRef
	Store     clusterview.Seen[clusterview.Store]
	Admission clusterview.Seen[clusterview.Admission]
	// Complaint is ESO's last warning about the ExternalSecret.
	Complaint string
	// Parameter is what the asker's own AWS credentials saw; nil without.
	Parameter *parameters.Checked
}

// link is one check of the chain.
type link struct {
	name  string
	check func(Patient) Finding
	// installation is true for what is checked without a workload, too.
	installation bool
}

// chain is the order in which a label becomes an environment.
func chain() []link {
	return []link{
		{"configuration", checkConfiguration, true},
		{"envgraft", checkEnvgraft, true},
		{"webhook", checkWebhook, true},
		{"certificate", checkCertificate, true},
		{"namespace", checkNamespace, false},
		{"labels", checkLabels, false},
		{"admission", checkAdmission, false},
		{"operator", checkOperator, true},
		{"externalsecret", checkExternalSecret, false},
		{"store", checkStore, true},
		{"parameter", checkParameter, false},
		{"sync", checkSync, false},
		{"secret", checkSecret, false},
		{"configmap", checkConfigMap, false},
		{"pods", checkPods, false},
		{"reloader", checkReloader, true},
		{"annotations", checkAnnotations, false},
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
func Examine(p Patient) []Finding {
	var findings []Finding
	broken := false
	for _, l := range chain() {
		if p.App == nil && !l.installation {
			continue
		}
		f := Finding{Status: Unreached}
		if !broken {
			f = l.check(p)
		}
		f.Check = l.name
		broken = broken || f.Status == Broken
		findings = append(findings, f)
	}
	return findings
}

// Healthy says that no link was found broken.
func Healthy(findings []Finding) bool {
	for _, f := range findings {
		if f.Status == Broken {
			return false
		}
	}
	return true
}

func ok(format string, arguments ...any) Finding {
	return Finding{Status: OK, Message: fmt.Sprintf(format, arguments...)}
}

func unneeded(format string, arguments ...any) Finding {
	return Finding{Status: Unneeded, Message: fmt.Sprintf(format, arguments...)}
}

func unseen(cause string) Finding { return Finding{Status: Unseen, Message: cause} }

func broken(fix, format string, arguments ...any) Finding {
	return Finding{Status: Broken, Fix: fix, Message: fmt.Sprintf(format, arguments...)}
}

// needsSecret says that the workload has a Secret in its chain.
func (p Patient) needsSecret() bool {
	return p.App.Subject.Status == graft.StatusInjected && p.App.Subject.Settings.Secrets
}

// noSecret is the finding for links that lead to the Secret alone.
func noSecret() Finding { return unneeded("annotation envgraft.dev/secrets: disabled") }

// kubectl writes a command in the workload's namespace.
func (p Patient) kubectl(format string, arguments ...any) string {
	return "kubectl -n " + p.App.Workload.Namespace + " " + fmt.Sprintf(format, arguments...)
}

// upgrade is the command that installs all of envgraft again, with the values
// that it has.
func (p Patient) upgrade() string {
	namespace, name, _ := strings.Cut(p.Installation, "/")
	return fmt.Sprintf("helm upgrade --install %s deploy/chart --namespace %s --reuse-values", name, namespace)
}

// restartServer is the command that has all replicas start anew.
func (p Patient) restartServer() string {
	namespace, name, _ := strings.Cut(p.Installation, "/")
	return fmt.Sprintf("kubectl -n %s rollout restart deployment/%s", namespace, name)
}

// patchTemplate is the command that sets or, with "null", removes a field of
// the pod template's metadata.
func (p Patient) patchTemplate(field, key, value string) string {
	if value != "null" {
		value = `"` + value + `"`
	}
	inner := fmt.Sprintf(`{"metadata":{"%s":{"%s":%s}}}`, field, key, value)
	switch w := p.App.Workload; w.Kind.Kind {
	case "Pod":
		return p.kubectl("annotate %s %s=%s  # on the workload that makes the pod", w, key, strings.Trim(value, `"`))
	case "CronJob":
		return p.kubectl("patch %s --type merge -p '{\"spec\":{\"jobTemplate\":{\"spec\":{\"template\":%s}}}}'", w, inner)
	default:
		return p.kubectl("patch %s --type merge -p '{\"spec\":{\"template\":%s}}'", w, inner)
	}
}
