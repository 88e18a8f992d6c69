// Package reconcile keeps one ExternalSecret for every app that has injected
// pods, says on workloads what keeps it from being synced, has it refreshed
// when its parameter changed, and restarts a workload once whose pods started
// before their Secret existed.
//
// It deletes nothing: an ExternalSecret is owned by its workloads, and
// Kubernetes collects it with the last of them. The rights it needs, on every
// namespace but for leases:
//
//	""                   pods                          get, list, watch (metadata)
//	""                   namespaces                    get, list, watch (metadata)
//	apps                 replicasets                   get
//	apps                 deployments, statefulsets,
//	                     daemonsets                    get, patch
//	batch                jobs, cronjobs                get
//	argoproj.io          rollouts                      get, patch
//	external-secrets.io  externalsecrets               get, list, watch, create, patch
//	external-secrets.io  secretstores,
//	                     clustersecretstores           get, list, watch (metadata)
//	events.k8s.io        events                        create, patch
//
// It has none on Secrets.
package reconcile
