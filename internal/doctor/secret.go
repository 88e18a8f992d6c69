package doctor

import (
	"slices"
	"strings"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: the Secret exists and has the parameter's keys.

func checkSecret(p Patient) Finding {
	if !p.needsSecret() {
		return noSecret()
	}
	name, s := p.App.Subject.Identity.Secret, p.App.Secret
	switch s.State {
	case clusterview.Found:
	case clusterview.NotFound:
		if record, found := p.App.Record(); found && len(record.Keys) == 0 {
			return broken(p.putParameter()+" --overwrite", "parameter %s has no keys, and the External Secrets Operator makes no Secret of that", record.Parameter)
		}
		if p.App.ExternalSecret == nil {
			return broken(p.restartServer(), "Secret %q does not exist, and nothing makes it", name)
		}
		return broken(p.forceSync(), "Secret %q does not exist", name)
	default:
		return unseen(s.Cause)
	}
	record, found := p.App.Record()
	if !found {
		return ok("%s has %d keys", name, len(s.Value.Keys))
	}
	missing := slices.DeleteFunc(slices.Clone(record.Keys), func(key string) bool { return slices.Contains(s.Value.Keys, key) })
	if len(missing) > 0 {
		return broken(p.forceSync(), "Secret %q lacks %s, which version %d of the parameter has", name, strings.Join(missing, ", "), record.Version)
	}
	return ok("%s has all %d keys", name, len(record.Keys))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
