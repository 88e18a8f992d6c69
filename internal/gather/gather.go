// Package gather reads, with the rights of the person who asks, everything that
// the checks of internal/doctor judge: of one workload, of all apps of a
// namespace, or of the installation. doctor, status and the status page show
// what it returns.
package gather

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/parameters"
)

// Gatherer reads for one answer: the rights that its Reader finds missing are
// those of the answer.
type Gatherer struct {
	*clusterview.Reader

	Settings clusterview.Settings
	// Installation is namespace/name of envgraft's own Deployment.
	Installation string
	// Admit has the API server admit a pod in a dry run.
	Admit bool
	// Check reads a parameter with the reader's own AWS credentials; nil without.
	Check func(ctx context.Context, path string) (*parameters.Checked, error)
}

func (g *Gatherer) installed() clusterview.Installation {
	return clusterview.Installation{Reader: g.Reader}
}

// Base reads what all workloads share, which is all there is of an
// installation. A cluster that does not answer is an error: there is nothing to
// say without it.
func (g *Gatherer) Base(ctx context.Context) (doctor.Input, error) {
	store := g.Settings.Configuration.ExternalSecrets.SecretStore
	in := doctor.Input{
		Now: time.Now(), Settings: g.Settings, Installation: g.Installation,
		StoreRef:  clusterview.StoreRef{Kind: store.Kind, Name: store.Name},
		Webhooks:  g.installed().Webhooks(ctx, g.Settings.Configuration.Server.Certificates.WebhookConfiguration),
		Operators: g.installed().Operators(ctx),
		ESO:       g.installed().ESOVersion(ctx),
	}
	for _, seen := range []clusterview.Seen[string]{{State: in.Webhooks.State, Cause: in.Webhooks.Cause}, {State: in.Operators.State, Cause: in.Operators.Cause}} {
		if seen.State == clusterview.Failed {
			return in, fmt.Errorf("cannot ask the cluster: %s", seen.Cause)
		}
	}
	if in.Webhooks.State == clusterview.Found {
		in.Backends = g.installed().Backends(ctx, in.Webhooks.Value)
	}
	in.OperatorNamespaces = g.operatorNamespaces(ctx, in)
	in.Store = g.installed().Store(ctx, "", g.version(in), in.StoreRef)
	return in, nil
}

// operatorNamespaces reads those of the operators that envgraft may be asked about.
func (g *Gatherer) operatorNamespaces(ctx context.Context, in doctor.Input) map[string]clusterview.Seen[identity.Namespace] {
	namespaces := map[string]clusterview.Seen[identity.Namespace]{}
	for _, d := range slices.Concat(in.Operators.Value.ESO, in.Operators.Value.Reloader) {
		name := d.Metadata.Namespace
		if _, read := namespaces[name]; !read && !slices.Contains(g.Settings.Configuration.ExcludedNamespaces, name) {
			namespaces[name] = g.Namespace(ctx, name)
		}
	}
	return namespaces
}

// version is that of ESO's API; the newest where it is not known.
func (g *Gatherer) version(in doctor.Input) string { return cmp.Or(in.ESO.Value, "v1") }

// notAdmitted is why no pod was admitted.
const notAdmitted = "no dry run of a pod was made here; envgraft doctor does that"

// App adds what is a workload's own.
func (g *Gatherer) App(ctx context.Context, base doctor.Input, app *clusterview.App) (doctor.Input, error) {
	in, w := base, app.Workload
	in.App = app
	in.Admission.Cause = notAdmitted
	d := app.Subject
	if d.Status != graft.StatusInjected {
		return in, nil
	}
	if g.Admit && !w.Kind.IsPod() {
		in.Admission = g.Reader.Admit(ctx, w.Namespace, w.Name, w.Template)
	}
	if !d.Settings.Secrets {
		return in, nil
	}
	if ref := storeOf(app); ref != base.StoreRef || ref.Kind != graft.KindClusterSecretStore {
		in.StoreRef = ref
		in.Store = g.installed().Store(ctx, w.Namespace, g.version(in), ref)
	}
	if x := app.ExternalSecret; x != nil && !x.SecretExists() {
		in.Complaint = g.Complaint(ctx, x)
	}
	if g.Check == nil {
		return in, nil
	}
	var err error
	in.Parameter, err = g.Check(ctx, d.Identity.Parameter)
	return in, err
}

// Lines sums up all apps of an overview. Each store is read once.
func (g *Gatherer) Lines(ctx context.Context, base doctor.Input, o clusterview.Overview) []doctor.Line {
	stores := map[string]clusterview.Seen[clusterview.Store]{}
	lines := make([]doctor.Line, 0, len(o.Apps))
	for _, app := range o.Apps {
		in := base
		in.App = app
		in.Admission.Cause = notAdmitted
		if ref := storeOf(app); ref != base.StoreRef || ref.Kind != graft.KindClusterSecretStore {
			key := ref.String()
			if ref.Kind != graft.KindClusterSecretStore {
				key = app.Workload.Namespace + "/" + key
			}
			seen, read := stores[key]
			if !read {
				seen = g.installed().Store(ctx, app.Workload.Namespace, g.version(in), ref)
				stores[key] = seen
			}
			in.StoreRef, in.Store = ref, seen
		}
		if e := app.ExternalSecret; e != nil {
			in.Complaint = o.Complaints[e.Namespace+"/"+e.Name]
		}
		lines = append(lines, doctor.LineOf(in))
	}
	return lines
}

// storeOf is the ExternalSecret's store, else the one that it would get.
func storeOf(app *clusterview.App) clusterview.StoreRef {
	if app.ExternalSecret != nil {
		return app.ExternalSecret.Spec.SecretStoreRef
	}
	if s := app.Subject.Settings.SecretStore; s.Name != "" {
		return clusterview.StoreRef{Kind: s.Kind, Name: s.Name}
	}
	s := app.Settings.Configuration.ExternalSecretFor(app.Subject.Identity.Environment).SecretStore
	return clusterview.StoreRef{Kind: s.Kind, Name: s.Name}
}
