package eso

import (
	"context"
	"fmt"
	"slices"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: an ExternalSecret of a user's own may hold other keys than the
// computed parameter. Where its spec names them they are known; where it
// extracts one parameter, that one is asked for; of anything else no literal
// is rebound.

// foreign is what is known of the keys of a Secret that somebody else's ExternalSecret fills.
func (x *ExternalSecrets) foreign(ctx context.Context, i *Installation, e *externalsecret.ExternalSecret, w externalsecret.Wants) facts.Keys {
	switch {
	case e.Spec.Target.Template != externalsecret.TemplateNone:
		return unchecked(e, "makes its keys by a template")
	case e.Spec.Target.CreationPolicy == externalsecret.CreationPolicyMerge || e.Spec.Target.CreationPolicy == "None":
		return unchecked(e, "does not make the Secret by itself")
	case e.Spec.DataCut:
		return unchecked(e, "names more keys than are held, or longer ones than a Secret may have")
	case len(e.Spec.DataFrom) == 0 && len(e.Spec.Data) > 0:
		return facts.Known{Parameter: keysOf(e.Spec.Data)}
	case e.SoleParameter() != "":
		w.Parameter = e.SoleParameter()
		return x.ask(ctx, i, e.Spec.SecretStoreRef, question(w, e.Namespace, e.Refreshed()))
	}
	return unchecked(e, "has more sources than one, or finds or rewrites keys")
}

func unchecked(e *externalsecret.ExternalSecret, why string) facts.Keys {
	return facts.NotChecked{Cause: fmt.Sprintf("ExternalSecret %q, which was not made by envgraft, %s", e.Name, why)}
}

func keysOf(data []externalsecret.Data) graft.Parameter {
	p := graft.Parameter{State: graft.ParameterFound}
	for _, d := range data {
		p.Keys = append(p.Keys, d.SecretKey)
	}
	slices.Sort(p.Keys)
	p.Keys = slices.Compact(p.Keys)
	return p
}
