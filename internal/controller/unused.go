package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// The rule: an ExternalSecret without owners, which only Jobs or pods of their
// own used, is deleted a while after the last of them, and not before: a Job
// that runs every hour finds its Secret there. One that has owners is deleted with them.

// markUnusedAfter is when it is written down since when one is unused, for a
// leader to come. Each such write has ESO read the parameter again, so a Job
// that soon runs again costs none.
const markUnusedAfter = time.Hour

// sweep handles the ExternalSecrets of an app that nothing uses any more.
func (p *pass) sweep(ctx context.Context) error {
	all, err := p.installation.OfApp(ctx, p.app)
	if err != nil {
		return err
	}
	for n := range all {
		if e := &all[n]; e.Abandonable(p.app.Name) {
			p.try(ctx, "", fmt.Sprintf("delete ExternalSecret %q, which nothing uses", e.Name), nil, func() error { return p.abandon(ctx, e) })
		}
	}
	return nil
}

// abandon deletes an ExternalSecret when its time has come.
func (p *pass) abandon(ctx context.Context, e *externalsecret.ExternalSecret) error {
	since, marked := p.unusedSince(e)
	age := p.clock.Since(since)
	switch {
	case age >= p.options.KeepUnused:
		return p.delete(ctx, e)
	case !marked && age >= markUnusedAfter:
		if err := p.markUnused(ctx, e, since.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	case !marked:
		p.waitAtMost(markUnusedAfter - age)
	}
	p.waitAtMost(p.options.KeepUnused - age)
	return nil
}

// unusedSince says since when an ExternalSecret is known to be unused, and
// whether that is written on it.
func (p *pass) unusedSince(e *externalsecret.ExternalSecret) (since time.Time, marked bool) {
	if at, err := time.Parse(time.RFC3339, e.Annotations[api.AnnotationUnusedSince]); err == nil {
		return at, true
	}
	if known, ok := p.unused.Get(e.UID); ok {
		return known.(time.Time), false //nolint:forcetypeassert // nothing else is put there
	}
	now := p.clock.Now()
	p.unused.Add(e.UID, now, p.options.KeepUnused+time.Hour)
	return now, false
}

// inUse removes what sweep recorded.
func (p *pass) inUse(ctx context.Context, existing *externalsecret.ExternalSecret) error {
	if existing == nil {
		return nil
	}
	p.unused.Remove(existing.UID)
	if _, marked := existing.Annotations[api.AnnotationUnusedSince]; !marked || !existing.Ours(p.app.Name) {
		return nil
	}
	return p.markUnused(ctx, existing, nil)
}

// markUnused writes since when one is unused; nil takes that back.
func (p *pass) markUnused(ctx context.Context, e *externalsecret.ExternalSecret, since any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         e.UID, // not one that took its name
		"annotations": map[string]any{api.AnnotationUnusedSince: since},
	}})
	if err != nil {
		return fmt.Errorf("cannot encode a patch: %w", err)
	}
	err = p.client.Patch(ctx, p.installation.Reference(e), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(api.FieldManager))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cannot mark ExternalSecret %q as unused: %w", e.Name, err)
	}
	return nil
}

// delete takes an ExternalSecret away as it was seen: one that somebody changed
// since is looked at again.
func (p *pass) delete(ctx context.Context, e *externalsecret.ExternalSecret) error {
	seen := client.Preconditions{UID: &e.UID, ResourceVersion: &e.ResourceVersion}
	err := p.client.Delete(ctx, p.installation.Reference(e), seen)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("cannot delete ExternalSecret %q, which nothing uses: %w", e.Name, err)
	}
	p.log(ctx).Info("Deleted ExternalSecret, which nothing used any more", "externalSecret", e.Name)
	return nil
}
