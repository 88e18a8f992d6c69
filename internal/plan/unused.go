package plan

import (
	"fmt"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/memory"
)

// The rule: an ExternalSecret without owners, which only Jobs or pods of their
// own used, is deleted a while after the last of them, and not before: a Job
// that runs every hour finds its Secret there. One that has owners is deleted with them.

// markUnusedAfter is when it is written down since when one is unused, for a
// leader to come. Each such write has ESO read the parameter again, so a Job
// that soon runs again costs none.
const markUnusedAfter = time.Hour

// sweep handles the ExternalSecrets of an app that nothing uses any more.
func (p *planner) sweep() error {
	for _, e := range p.OfApp {
		if e.Abandonable(p.App.Name) {
			p.try("", fmt.Sprintf("delete ExternalSecret %q, which nothing uses", e.Name), nil, func() error {
				deleteUnused(p, e)
				return nil
			})
		}
	}
	return nil
}

// deleteUnused deletes an ExternalSecret when its time has come.
func deleteUnused(p *planner, e *externalsecret.ExternalSecret) {
	since, marked := unusedSince(p, e)
	age := p.Now.Sub(since)
	if age >= p.KeepUnused {
		p.do(Delete{e})
		return
	}
	if !marked && age >= markUnusedAfter {
		p.do(MarkUnused{e, since.UTC().Format(time.RFC3339)})
	} else if !marked {
		p.waitAtMost(markUnusedAfter - age)
	}
	p.waitAtMost(p.KeepUnused - age)
}

// unusedSince says since when an ExternalSecret is known to be unused, and
// whether that is written on it.
func unusedSince(p *planner, e *externalsecret.ExternalSecret) (since time.Time, marked bool) {
	if at, err := time.Parse(time.RFC3339, e.Annotations[api.AnnotationUnusedSince]); err == nil {
		return at, true
	}
	if known := p.Memory.UnusedSince(e.UID); !known.IsZero() {
		return known, false
	}
	now, ttl := p.Now, p.KeepUnused+time.Hour
	p.remember(func(m *memory.Memory) { m.SetUnused(e.UID, now, ttl) })
	return now, false
}

// markInUse removes what sweep recorded.
func (k keeper) markInUse(existing *externalsecret.ExternalSecret) {
	if existing == nil {
		return
	}
	if !k.Memory.UnusedSince(existing.UID).IsZero() {
		k.remember(func(m *memory.Memory) { m.Used(existing.UID) })
	}
	if _, marked := existing.Annotations[api.AnnotationUnusedSince]; marked && existing.Ours(k.App.Name) {
		k.do(MarkUnused{ExternalSecret: existing})
	}
}
