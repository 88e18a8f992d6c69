// Package controller keeps one ExternalSecret for every app, made when its first
// workload appears, says on workloads what keeps it from being synced, has it
// refreshed when its parameter changed, and restarts a workload once whose pods
// started before their Secret existed.
//
// A reconciliation of an app reads a snapshot (gather.go), has package plan decide what
// to do, and carries that out (act.go). Nothing else changes the cluster.
//
// What a workload wants stands in its own template. Pods are looked at for the
// marks of their admission, and for what they want where no workload is above
// them; each owner that they name is checked.
//
// An ExternalSecret is owned by its workloads, and Kubernetes collects it with
// the last of them. One that only Jobs and pods of their own used is deleted a
// while after the last of those. The rights that this needs, on every namespace
// but for leases:
//
//	""                   pods                          list, watch (metadata); get
//	""                   configmaps                    get
//	""                   namespaces                    get, list, watch (metadata)
//	apps                 replicasets                   get (metadata)
//	apps                 deployments, statefulsets,
//	                     daemonsets                    get, list, watch; patch for restarts
//	batch                jobs                          get (metadata)
//	batch                cronjobs                      get, list, watch
//	argoproj.io          rollouts                      get, list, watch; patch for restarts
//	external-secrets.io  externalsecrets               get, list, watch, create, patch, delete
//	external-secrets.io  secretstores,
//	                     clustersecretstores           get, list, watch
//	events.k8s.io        events                        create, patch
//	coordination.k8s.io  leases                        get, create, update
//
// It has none on Secrets.
package controller
