package cli

import (
	"context"
	"fmt"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/parameters"
)

// examiner reads what doctor's checks look at.
type examiner struct {
	*session

	settings clusterview.Settings
	// installation is namespace/name of envgraft's own Deployment.
	installation string
	// admit has the API server admit a pod for show.
	admit bool
	// check looks at a parameter with the asker's AWS credentials; nil without.
	check func(ctx context.Context, path string) (*parameters.Checked, error)
}

// base reads what all workloads share, which is all there is of an
// installation. A cluster that does not answer is an error: there is nothing
// to say without it.
func (e *examiner) base(ctx context.Context) (doctor.Patient, error) {
	store := e.settings.Configuration.ExternalSecrets.SecretStore
	p := doctor.Patient{
		Settings: e.settings, Installation: e.installation, StoreRef: clusterview.StoreRef{Kind: store.Kind, Name: store.Name},
		Webhooks:  e.Webhooks(ctx, e.settings.Configuration.Server.Certificates.WebhookConfiguration),
		Operators: e.Operators(ctx),
		ESO:       e.ESOVersion(ctx),
	}
	for _, seen := range []clusterview.Seen[string]{{State: p.Webhooks.State, Cause: p.Webhooks.Cause}, {State: p.Operators.State, Cause: p.Operators.Cause}} {
		if seen.State == clusterview.Failed {
			return p, fmt.Errorf("cannot ask the cluster: %s", seen.Cause)
		}
	}
	p.Store = e.Store(ctx, "", or(p.ESO.Value, "v1"), p.StoreRef)
	return p, nil
}

// notAdmitted is why the webhook was not asked.
const notAdmitted = "no pod was created for show here; envgraft doctor does that"

// patient adds what is a workload's own.
func (e *examiner) patient(ctx context.Context, base doctor.Patient, app *clusterview.App) (doctor.Patient, error) {
	p, w := base, app.Workload
	p.App = app
	p.Admission.Cause = notAdmitted
	d := app.Subject
	if d.Status != graft.StatusInjected {
		return p, nil
	}
	if e.admit && !w.Kind.IsPod() {
		p.Admission = e.Admit(ctx, w.Namespace, w.Name, w.Template)
	}
	if !d.Settings.Secrets {
		return p, nil
	}
	if ref := storeOf(app); ref != base.StoreRef || ref.Kind != graft.KindClusterSecretStore {
		p.StoreRef = ref
		p.Store = e.Store(ctx, w.Namespace, or(p.ESO.Value, "v1"), ref)
	}
	if x := app.ExternalSecret; x != nil && !x.Synced() {
		p.Complaint = e.Complaint(ctx, x)
	}
	if e.check == nil {
		return p, nil
	}
	var err error
	p.Parameter, err = e.check(ctx, d.Identity.Parameter)
	return p, err
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
