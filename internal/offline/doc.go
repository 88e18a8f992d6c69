// Package offline does to manifests what the webhook does to pods, without a cluster:
// what stands in the documents is what it knows.
package offline
