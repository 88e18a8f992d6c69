package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

const (
	// clockSkew is how far AWS's clock may be behind the cluster's before a
	// change is missed. One that was in time after all costs one refresh.
	clockSkew  = 5 * time.Second
	checkedTTL = lookup.TTL
)

// follow compares a synced ExternalSecret with its parameter where pods are
// being admitted, or wait for their Secret: the one is refreshed, the others
// are restarted. Anything else takes its refresh interval.
func (p *pass) follow(ctx context.Context, e *externalsecret.ExternalSecret, claims []claim, ours bool) error {
	admitted := p.admitted(e, claims, ours)
	awaiting := p.awaiting(e, claims)
	outlived, err := p.outlived(ctx, e, claims)
	if err != nil {
		return err
	}
	if admitted.IsZero() && len(awaiting)+len(outlived) == 0 {
		if e.Record.Of(claims[0].Wants) { // as long as it is not synced, its pods may come to wait for it
			p.lookups.Recorded(lookup.SubjectOf(p.app, claims[0].Wants), e.Record.At())
		}
		return nil
	}
	freshAfter := admitted
	if len(awaiting)+len(outlived) > 0 && e.Status.RefreshTime.After(freshAfter) {
		freshAfter = e.Status.RefreshTime.Time
	}
	parameter, ok := p.ask(ctx, claims[0].Wants, freshAfter)
	if !ok {
		return nil
	}
	if !admitted.IsZero() {
		p.checked.Add(client.ObjectKeyFromObject(e), admitted, checkedTTL)
	}
	version := versionOf(claims[0].Wants.Parameter, parameter)
	if ours && isNewer(parameter, e) && e.Annotations[api.AnnotationForcedVersion] != version {
		p.try(ctx, eventNotWritten, fmt.Sprintf("ask for a refresh of ExternalSecret %q", e.Name), workloadsOf(claims), func() error {
			return p.forceSync(ctx, e, claims[0], version)
		})
		return nil
	}
	if parameter.State != graft.ParameterFound || parameter.Modified.After(e.Status.RefreshTime.Time) {
		return nil
	}
	for _, c := range awaiting {
		p.try(ctx, "", "restart "+c.Workload.String(), nil, func() error {
			return p.restart(ctx, appeared(c, version))
		})
	}
	for _, again := range outlived {
		c := again(version)
		p.try(ctx, "", "restart "+c.workload.String(), nil, func() error { return p.restart(ctx, c) })
	}
	return nil
}

// admitted returns when the newest pod was created, if that was after the last
// refresh and its parameter was not looked up since; else the zero time.
func (p *pass) admitted(e *externalsecret.ExternalSecret, claims []claim, ours bool) time.Time {
	var newest time.Time
	for _, c := range claims {
		if c.Newest.After(newest) {
			newest = c.Newest
		}
	}
	if !ours || e.Status.RefreshTime.IsZero() || !newest.After(e.Status.RefreshTime.Time) {
		return time.Time{}
	}
	last, ok := p.checked.Get(client.ObjectKeyFromObject(e))
	if ok && !newest.After(last.(time.Time)) { //nolint:forcetypeassert // nothing else is put there
		return time.Time{}
	}
	return newest
}

// awaiting returns the workloads whose pods may lack a Secret that exists now.
func (p *pass) awaiting(e *externalsecret.ExternalSecret, claims []claim) []claim {
	if !e.SecretExists() {
		for _, c := range claims {
			p.settled.Remove(c.Awaiting) // the Secret is gone again, and may come back
		}
		return nil
	}
	var awaiting []claim
	for _, c := range claims {
		if _, settled := p.settled.Get(c.Awaiting); c.Awaiting != "" && !settled {
			awaiting = append(awaiting, c)
		}
	}
	return awaiting
}

// isNewer says that SSM may hold a version that ESO did not see yet.
func isNewer(parameter facts.Parameter, e *externalsecret.ExternalSecret) bool {
	return parameter.Version > 0 && parameter.Modified.Add(clockSkew).After(e.Status.RefreshTime.Time)
}

// versionOf names a version of a parameter, as "/popapps/myapp/stage/app@2".
// A source that counts none has one version: 0.
func versionOf(path string, parameter facts.Parameter) string {
	return path + "@" + strconv.FormatInt(parameter.Version, 10)
}

// forceSync asks ESO for a refresh, once for each version of the parameter:
// the annotation remembers it when the controller does not.
func (p *pass) forceSync(ctx context.Context, e *externalsecret.ExternalSecret, c claim, version string) error {
	annotations := map[string]string{api.ForceSync: version, api.AnnotationForcedVersion: version}
	if record := p.record(e, c.Wants); record != nil { // replicas know the new keys before the Secret has them
		text, err := record.String()
		if err != nil {
			return err
		}
		annotations[api.AnnotationKeys] = text
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         e.UID, // not one that took its name
		"annotations": annotations,
	}})
	if err != nil {
		return fmt.Errorf("cannot encode a patch: %w", err)
	}
	object := p.installation.Reference(e)
	if err := p.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(api.FieldManager)); err != nil {
		return fmt.Errorf("cannot ask for a refresh of ExternalSecret %q: %w", e.Name, err)
	}
	p.Metrics.ForceSync()
	p.log(ctx).Info("Asked for a refresh", "externalSecret", e.Name, "version", version)
	p.events.Say(c.Workload, workloadevents.Inform(eventRefresh, "Refresh", fmt.Sprintf(
		"asked External Secrets Operator to refresh ExternalSecret %q: SSM has version %q", e.Name, version)))
	return nil
}
