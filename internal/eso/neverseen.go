package eso

import "github.com/envgraft/envgraft/internal/externalsecret"

// neverSeen says that nothing in the cluster has to do with an app's parameter:
// its keys were never recorded, and no ExternalSecret of it ever synced or was
// made by somebody else. Where ESO is not installed others make Secrets, and
// nothing is known.
func (i *Installation) neverSeen(e *externalsecret.ExternalSecret, app string) bool {
	if !i.Installed() || e == nil {
		return i.Installed()
	}
	recorded := e.Record != nil && e.Record.Version > 0
	return e.Ours(app) && !recorded && !e.SecretExists() && e.Refreshed().IsZero() && !e.Occupied()
}
