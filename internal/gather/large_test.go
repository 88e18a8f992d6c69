package gather_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/gather"
)

// largeApps have a Deployment, a pod and an ExternalSecret each, in tens.
const largeApps = 20_000

// largeObjects are the lists of a large cluster, each item made as it is sent: the
// server's own memory must not count.
var largeObjects = map[string]string{
	"/api/v1/namespaces": `{"metadata":{"name":"team-%[1]d","labels":{"envgraft.dev/inject":"enabled"}}}`,
	"/apis/apps/v1/deployments": `{"metadata":{"name":"app-%[1]d","namespace":"%[2]s","uid":"d-%[1]d","generation":3},"spec":{"replicas":1,` +
		`"selector":{"matchLabels":{"app.kubernetes.io/name":"app-%[1]d"}},"template":{"metadata":{"labels":{"app.kubernetes.io/name":"app-%[1]d"}},` +
		`"spec":{"containers":[{"name":"app","image":"registry.example.com/app-%[1]d:1.0.0","env":[{"name":"LOG_LEVEL","value":"info"},` +
		`{"name":"POD_IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}],"resources":{"requests":{"cpu":"100m","memory":"128Mi"}},` +
		`"livenessProbe":{"httpGet":{"path":"/healthz","port":8080}},"readinessProbe":{"httpGet":{"path":"/readyz","port":8080}}}]}}}}`,
	"/api/v1/pods": `{"metadata":{"name":"app-%[1]d-6c8f5d7b9d-x","namespace":"%[2]s","labels":{"app.kubernetes.io/name":"app-%[1]d","envgraft.dev/app":"app-%[1]d"},` +
		`"annotations":{"envgraft.dev/injected":"ConfigMap/app-%[1]d-config,Secret/app-%[1]d-secrets","envgraft.dev/parameter-version":"1"},` +
		`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-%[1]d-6c8f5d7b9d","uid":"r-%[1]d","controller":true}],` +
		`"managedFields":[{"manager":"kubelet","operation":"Update","fieldsV1":{"f:status":{"f:conditions":{},"f:containerStatuses":{}}}}]},"status":{"phase":"Running"}}`,
	"/apis/external-secrets.io/v1/externalsecrets": `{"metadata":{"name":"app-%[1]d-external","namespace":"%[2]s"},"spec":{"refreshInterval":"5m","secretStoreRef":{"kind":` +
		`"ClusterSecretStore","name":"aws-ssm"},"target":{"name":"app-%[1]d-secrets"},"dataFrom":[{"extract":{"key":"/%[2]s/app-%[1]d/stage/app"}}]},` +
		`"status":{"refreshTime":"2026-03-01T12:00:00Z","conditions":[{"type":"Ready","status":"True","reason":"SecretSynced"}]}}`,
}

func largeCluster(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	item := largeObjects[r.URL.Path]
	count := largeApps
	if item == "" || strings.Contains(r.URL.Query().Get("fieldSelector"), "=Pending") && !strings.Contains(r.URL.Query().Get("fieldSelector"), "!=Pending") {
		count = 0
	}
	if r.URL.Path == "/api/v1/namespaces" {
		count /= 10
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))    // the reader always sets it
	first, _ := strconv.Atoi(r.URL.Query().Get("continue")) // none at first
	last := min(first+limit, count)
	next := ""
	if last < count {
		next = strconv.Itoa(last)
	}
	_, _ = fmt.Fprintf(w, `{"metadata":{"continue":%q},"items":[`, next)
	for i := first; i < last; i++ {
		separator := ","
		if i == first {
			separator = ""
		}
		_, _ = fmt.Fprintf(w, separator+item, i, fmt.Sprintf("team-%d", i/10))
	}
	_, _ = fmt.Fprint(w, "]}")
}

// TestMemoryOfALargeCluster bounds what the list of all apps takes while it is made,
// and what is kept of it: status holds it once, and the page for all its clients.
func TestMemoryOfALargeCluster(t *testing.T) {
	stores := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/clustersecretstores/") {
			stores++
		}
		largeCluster(w, r)
	}))
	t.Cleanup(web.Close)
	reader, err := clusterview.NewReader(&rest.Config{Host: web.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	configuration := config.Default()
	configuration.Environment = "stage"
	g := &gather.Gatherer{Reader: reader, Settings: clusterview.Settings{Configuration: configuration}}
	before := liveHeap()

	overview := g.Overview(t.Context(), g.Settings, "", "")
	lines := g.Lines(t.Context(), doctor.Input{Settings: g.Settings}, overview) // of another store than this names: read once
	making := liveHeap() - before
	apps := len(overview.Apps)
	runtime.KeepAlive(overview)
	overview = clusterview.Overview{}
	kept := liveHeap() - before

	if apps != largeApps || len(lines) != largeApps {
		t.Fatalf("%d apps, %d lines, want %d: %v", apps, len(lines), largeApps, overview.Causes)
	}
	t.Logf("%d apps: %d MiB while the list is made, %d MiB kept", apps, making>>20, kept>>20)
	const maxMaking, maxKept = 256 << 20, 32 << 20
	if making > maxMaking || kept > maxKept {
		t.Errorf("%d MiB while the list is made, want at most %d; %d MiB kept, want at most %d", making>>20, maxMaking>>20, kept>>20, maxKept>>20)
	}
	if stores != 1 {
		t.Errorf("the one store was read %d times", stores)
	}
	runtime.KeepAlive(lines)
}

// liveHeap is what the collector leaves.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers freed
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // far below
}
