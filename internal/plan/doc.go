// Package plan decides what the controller does for an app. It is pure: a Snapshot
// comes in, and a Plan goes out. It has no client and no clock, and starts nothing.
//
// A plan may need to know something that is not in the snapshot because it costs a
// call: whose a pod is, or whether a restart is remembered by a workload. Then it has
// Questions. The controller answers them in the snapshot and has a plan made again,
// until none is left. So each call is made only where something depends on it.
package plan
