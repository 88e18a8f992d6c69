package plan

import (
	"fmt"
	"strconv"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/memory"
)

// follower follows the parameter of a synced ExternalSecret.
type follower struct {
	keeper

	e      *externalsecret.ExternalSecret
	claims []claim
	// ours says that envgraft made the ExternalSecret.
	ours bool
}

// follow compares a synced ExternalSecret with its parameter where pods are
// being admitted, or wait for their Secret: the one is refreshed, the others
// are restarted. Anything else takes its refresh interval.
func (f follower) follow() error {
	wants := f.claims[0].Wants
	admitted := f.admitted()
	awaiting := f.awaiting()
	again, err := f.madeAgain()
	if err != nil {
		return err
	}
	if admitted.IsZero() && len(awaiting)+len(again) == 0 {
		if f.e.Record.Of(wants) { // as long as it is not synced, its pods may come to wait for it
			f.plan.Recorded = append(f.plan.Recorded, Recorded{wants, f.e.Record.At()})
		}
		return nil
	}
	freshAfter := admitted
	if len(awaiting)+len(again) > 0 && f.e.Status.RefreshTime.After(freshAfter) {
		freshAfter = f.e.Status.RefreshTime.Time
	}
	found, err := f.lookUp(wants, freshAfter)
	if err != nil || !found.Known {
		return err
	}
	parameter := found.Parameter
	if !admitted.IsZero() {
		name := key(f.e)
		f.remember(func(m *memory.Memory) { m.SetChecked(name, admitted) })
	}
	version := versionOf(wants.Parameter, parameter)
	if f.ours && isNewer(parameter, f.e) && f.e.Annotations[api.AnnotationForcedVersion] != version {
		f.try(eventNotWritten, fmt.Sprintf("ask for a refresh of ExternalSecret %q", f.e.Name), workloadsOf(f.claims), func() error {
			return f.refresh(version)
		})
		return nil
	}
	if parameter.State != graft.ParameterFound || parameter.Modified.After(f.e.Status.RefreshTime.Time) {
		return nil
	}
	for _, c := range f.causes(awaiting, again, version, parameter.Modified) {
		f.try("", "restart "+c.Workload.String(), nil, func() error { return f.restart(c) })
	}
	return nil
}

// causes are why workloads are restarted, now that the Secret has a version that the
// parameter has since it was modified.
func (f follower) causes(awaiting []claim, restarts []again, version string, modified time.Time) []Cause {
	since := modified
	if removed := f.e.MadeAgain(); removed.After(since) {
		since = removed
	}
	causes := make([]Cause, 0, len(awaiting)+len(restarts))
	for _, c := range awaiting {
		causes = append(causes, appeared(c, version, since))
	}
	for _, r := range restarts {
		causes = append(causes, causeAgain(r, version, since))
	}
	return causes
}

// refresh asks ESO for a refresh, once for each version of the parameter: an
// annotation remembers it when the controller does not.
func (f follower) refresh(version string) error {
	record, err := f.record(f.e, f.claims[0].Wants) // replicas know the new keys before the Secret has them
	if err != nil {
		return err
	}
	f.do(Refresh{ExternalSecret: f.e, Version: version, Record: record, Workload: f.claims[0].Workload})
	return nil
}

// admitted returns when the newest pod was created, if that was after the last
// refresh and its parameter was not looked up since; else the zero time.
func (f follower) admitted() time.Time {
	var newest time.Time
	for _, c := range f.claims {
		if c.Newest.After(newest) {
			newest = c.Newest
		}
	}
	if !f.ours || f.e.Status.RefreshTime.IsZero() || !newest.After(f.e.Status.RefreshTime.Time) || !newest.After(f.Memory.Checked(key(f.e))) {
		return time.Time{}
	}
	return newest
}

// awaiting returns the workloads whose pods may lack a Secret that exists now.
func (f follower) awaiting() []claim {
	if !f.e.SecretExists() {
		for _, c := range f.claims {
			if c.Awaiting != "" {
				f.remember(func(m *memory.Memory) { m.Unsettle(c.Awaiting) }) // the Secret is gone again, and may come back
			}
		}
		return nil
	}
	var awaiting []claim
	for _, c := range f.claims {
		if c.Awaiting != "" && !f.Memory.Settled(c.Awaiting) {
			awaiting = append(awaiting, c)
		}
	}
	return awaiting
}

// isNewer says that SSM may hold a version that ESO did not see yet.
func isNewer(parameter facts.Parameter, e *externalsecret.ExternalSecret) bool {
	return parameter.Version > 0 && parameter.Modified.Add(externalsecret.ClockSkew).After(e.Status.RefreshTime.Time)
}

// versionOf names a version of a parameter, as "/popapps/myapp/stage/app@2".
// A source that counts none has one version: 0.
func versionOf(path string, parameter facts.Parameter) string {
	return path + "@" + strconv.FormatInt(parameter.Version, 10)
}
