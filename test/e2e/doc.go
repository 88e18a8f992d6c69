// Package e2e proves in a real cluster (kind) what only a real cluster can
// prove: that a container's process runs with the environment that envgraft
// promised, with the real External Secrets Operator and, where given, the real
// Reloader.
//
// Its files carry the build tag e2e:
//
//	go test -tags e2e ./test/e2e
//
// It reads these environment variables, all optional:
//
//	KIND_NODE_IMAGE     node image, else the one that kind publishes
//	KUBEBUILDER_ASSETS  folder with kubectl, else kubectl is found on the PATH
//	ESO_IMAGE           image of the External Secrets Operator, else the one it publishes
//	RELOADER_IMAGE      image of Reloader; without it the tests that need it are skipped
//	E2E_CLUSTER         name of the cluster; one that exists is used again
//	E2E_EXAMPLES        1 runs what lies in examples, too
//	E2E_MEASURE         1 takes the numbers of docs/performance.md, too
//	E2E_RESILIENCE      1 has replicas, nodes and the API server go away, too
//	E2E_KEEP            1 leaves the cluster for a person to look at
package e2e
