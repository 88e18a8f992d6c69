package doctor

import (
	"slices"
	"strings"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: the Secret exists and has the parameter's keys.

func checkSecret(in Input) Finding {
	if f, stop := noSecret(in); stop {
		return f
	}
	name, s := in.App.Subject.Identity.Secret, in.App.Secret
	record, recorded := in.App.Record()
	switch s.State {
	case clusterview.Found:
	case clusterview.NotFound:
		return missingSecret(in)
	default:
		return unseen(s.Cause)
	}
	if !recorded || !record.Known() {
		return ok("%s has %d keys", name, len(s.Value.Keys))
	}
	missing := slices.DeleteFunc(slices.Clone(record.Keys), func(key string) bool { return slices.Contains(s.Value.Keys, key) })
	if len(missing) > 0 {
		return broken(forceSync(in), "Secret %q lacks %s, which version %d of the parameter has", name, strings.Join(missing, ", "), record.Version)
	}
	return ok("%s has all %d keys", name, len(record.Keys))
}

// missingSecret knows why ESO made none: it makes no Secret of an object without
// keys, and calls that synced. A refresh changes nothing then.
func missingSecret(in Input) Finding {
	name, e := in.App.Subject.Identity.Secret, in.App.ExternalSecret
	record, recorded := in.App.Record()
	switch {
	case in.runsWithout():
		return unneeded("there is no parameter to make a Secret of")
	case recorded && record.Known() && len(record.Keys) == 0:
		return unneeded("the External Secrets Operator makes no Secret of a parameter without keys")
	case e == nil:
		return broken(restartServer(in), "Secret %q does not exist, and nothing makes it", name)
	case e.Ready() != nil && e.Ready().Status == "True":
		return broken(checkAndSync(in),
			"Secret %q does not exist though ExternalSecret %q is ready: parameter %s has no keys any more, or somebody deleted the Secret",
			name, e.Name, in.App.Subject.Identity.Parameter)
	}
	return broken(forceSync(in), "Secret %q does not exist", name)
}
