package externalsecret

// NeverSeen says that nothing in a cluster with ESO has to do with an app's parameter:
// its keys were never recorded, and no ExternalSecret of it ever synced or was made by
// somebody else. e is nil where there is none. Where ESO is not installed, others make
// Secrets, and nothing is known.
func NeverSeen(e *ExternalSecret, app string) bool {
	if e == nil {
		return true
	}
	recorded := e.Record != nil && e.Record.Version > 0
	return e.Ours(app) && !recorded && !e.SecretExists() && e.Refreshed().IsZero() && !e.Occupied()
}
