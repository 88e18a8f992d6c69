//go:build e2e

package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/envgraft/envgraft/internal/api"
)

// recovery is how long after an unplanned outage pods may still fail.
const recovery = 2 * time.Second

// testResilience does to envgraft what happens to it in the life of a cluster,
// while pods are created all the time, and counts those that failed.
func (b *bench) testResilience(t *testing.T) {
	b.tellsNothing(t)
	if os.Getenv("E2E_RESILIENCE") != "1" {
		t.Skip("E2E_RESILIENCE is not 1: set it to have replicas, nodes and the API server go away under a stream of pods, which takes minutes")
	}
	const namespace = "stream"
	b.ssm.putJSON(t, "/stream/shop/stage/app", parameterTier())
	b.optedIn(t, namespace)
	b.install(t, nil)
	s := b.newStream(t, namespace)
	s.start(t)
	t.Cleanup(func() { t.Logf("pods created while things happened:\n%s", s.table()) })

	planned := func(what string, do func(t *testing.T)) {
		t.Helper()
		b.settled(t)
		s.unharmed(t, what, do)
	}
	unplanned := func(what string, do func(t *testing.T)) {
		t.Helper()
		b.settled(t)
		if r := s.during(t, what, do); r.lastFailedLate > recovery {
			t.Errorf("%s: a pod failed %s after it was over, with %s", what, r.lastFailedLate, r.example)
		}
	}
	planned("the serving certificate is issued again", b.renewLeaf)
	planned("another replica leads", b.changeLeader)
	unplanned("both replicas are killed", b.killReplicas)
	planned("the CA is replaced", b.replaceCA)
	planned("rolling update of envgraft", b.rollEnvgraft)
	planned("one replica is deleted", b.deleteReplica)
	planned("the API server is restarted", b.restartAPIServer)
	unplanned("both pods are deleted by force", b.forceReplicas)
	unplanned("the network of a replica's node is cut for 10 s", b.cutNode)
	b.settled(t)
	// Nothing is promised but that it all comes back, which is waited for.
	s.during(t, "every node is restarted", b.restartNodes)
}

// certificate returns a field of the Secret that the replicas share.
func (b *bench) certificate(t *testing.T, field string) string {
	t.Helper()
	out, err := b.try("get", "secret", "envgraft-webhook-tls", "-n", systemNamespace, "-o", "jsonpath={.data."+strings.ReplaceAll(field, ".", `\.`)+"}")
	if err != nil {
		return ""
	}
	return out
}

// renewed waits for another content of the field, and for the replicas to take it up.
func (b *bench) renewed(t *testing.T, timeout time.Duration, field, old string) {
	t.Helper()
	eventually(t, timeout, "another "+field+" in the webhook's Secret", func() (bool, string) {
		now := b.certificate(t, field)
		return now != "" && now != old, fmt.Sprintf("%d characters, the same: %t", len(now), now == old)
	})
}

// renewLeaf damages the serving certificate, which the replicas then replace.
func (b *bench) renewLeaf(t *testing.T) {
	t.Helper()
	old := b.certificate(t, "tls.crt")
	b.kubectl(t, "patch", "secret", "envgraft-webhook-tls", "-n", systemNamespace, "--type=merge", "-p", `{"data":{"tls.crt":"","tls.key":""}}`)
	b.renewed(t, time.Minute, "tls.crt", old)
	b.served(t)
}

// served waits until every replica serves the certificate that is in the Secret.
func (b *bench) served(t *testing.T) {
	t.Helper()
	for _, r := range b.replicas(t) {
		address := b.forward(t, systemNamespace, "pod/"+r.Metadata.Name, 9443)
		eventually(t, 2*time.Minute, r.Metadata.Name+" to serve the certificate of the Secret", func() (bool, string) {
			text, err := base64.StdEncoding.DecodeString(b.certificate(t, "tls.crt"))
			block, _ := pem.Decode(text)
			if err != nil || block == nil {
				return false, fmt.Sprintf("no certificate in the Secret: %v", err)
			}
			conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				return false, err.Error()
			}
			defer conn.Close() //nolint:errcheck // nothing was written
			serves := conn.ConnectionState().PeerCertificates[0]
			return bytes.Equal(serves.Raw, block.Bytes), "it serves serial " + serves.SerialNumber.String()
		})
	}
}

// replaceCA deletes the Secret, as people do who want another CA. The new one
// signs what is served once it has been trusted for a minute.
func (b *bench) replaceCA(t *testing.T) {
	t.Helper()
	ca, leaf := b.certificate(t, "ca.crt"), b.certificate(t, "tls.crt")
	b.kubectl(t, "delete", "secret", "envgraft-webhook-tls", "-n", systemNamespace)
	b.renewed(t, time.Minute, "ca.crt", ca)
	b.renewed(t, 2*time.Minute, "tls.crt", leaf)
}

func (b *bench) rollEnvgraft(t *testing.T) {
	t.Helper()
	b.kubectl(t, "rollout", "restart", "deployment/envgraft", "-n", systemNamespace)
	b.rolledOut(t, systemNamespace, "deployment/envgraft")
}

// replicas lists envgraft's pods with the nodes that they are on.
func (b *bench) replicas(t *testing.T) []replica {
	t.Helper()
	var list struct{ Items []replica }
	b.getJSON(t, &list, "get", "pods", "-n", systemNamespace, "-l", "app.kubernetes.io/name=envgraft")
	return slices.DeleteFunc(list.Items, func(r replica) bool { return r.Metadata.DeletionTimestamp != "" })
}

type replica struct {
	Metadata struct{ Name, DeletionTimestamp string }
	Spec     struct{ NodeName string }
	Status   struct {
		ContainerStatuses []struct{ RestartCount int }
	}
}

func (b *bench) deleteReplica(t *testing.T) {
	t.Helper()
	b.kubectl(t, "delete", "pod", b.replicas(t)[0].Metadata.Name, "-n", systemNamespace)
	b.rolledOut(t, systemNamespace, "deployment/envgraft")
}

func (b *bench) leader(t *testing.T) string {
	t.Helper()
	return b.kubectl(t, "get", "lease", api.Lease, "-n", systemNamespace, "-o", "jsonpath={.spec.holderIdentity}")
}

// changeLeader takes the Lease away from its holder.
func (b *bench) changeLeader(t *testing.T) {
	t.Helper()
	b.kubectl(t, "patch", "lease", api.Lease, "-n", systemNamespace, "--type=merge", "-p", `{"spec":{"holderIdentity":"nobody","leaseDurationSeconds":1}}`)
	eventually(t, time.Minute, "a new leader", func() (bool, string) {
		now := b.leader(t)
		return now != "nobody" && now != "", now
	})
}

// node runs a command on a node, which is a container.
func (b *bench) node(t *testing.T, name string, command ...string) string {
	t.Helper()
	return b.run(t, commandTimeout, append([]string{"docker", "exec", name}, command...)...)
}

func (b *bench) nodes(t *testing.T) []string {
	t.Helper()
	return strings.Fields(b.run(t, commandTimeout, b.tool("kind", "get", "nodes", "--name", b.cluster)...))
}

// restartAPIServer stops its container, which the kubelet starts again.
func (b *bench) restartAPIServer(t *testing.T) {
	t.Helper()
	controlPlane := b.cluster + "-control-plane"
	id := strings.TrimSpace(b.node(t, controlPlane, "crictl", "ps", "--quiet", "--name", "kube-apiserver"))
	b.node(t, controlPlane, "crictl", "stop", "--timeout", "5", id)
	eventually(t, time.Minute, "the API server to answer again", func() (bool, string) {
		out, err := b.try("get", "--raw", "/readyz")
		return err == nil && out == "ok", out
	})
}

// killReplicas kills the process of both at once; the kubelets start them again.
func (b *bench) killReplicas(t *testing.T) {
	t.Helper()
	replicas := b.replicas(t)
	var killed sync.WaitGroup
	for _, r := range replicas {
		killed.Go(func() {
			if _, stderr, err := b.output(commandTimeout, nil, "docker", "exec", r.Spec.NodeName, "sh", "-c",
				"crictl stop --timeout 0 $(crictl ps --quiet --name envgraft --label io.kubernetes.pod.name="+r.Metadata.Name+")"); err != nil {
				t.Errorf("cannot kill %s: %v\n%s", r.Metadata.Name, err, stderr)
			}
		})
	}
	killed.Wait()
	before := restarts(replicas)
	eventually(t, time.Minute, "a replica that is ready again", func() (bool, string) {
		now := b.replicas(t)
		return restarts(now) >= before+len(replicas) && strings.Contains(b.endpoints(), "true"), fmt.Sprintf("%+v", now)
	})
}

func restarts(of []replica) (count int) {
	for _, r := range of {
		for _, c := range r.Status.ContainerStatuses {
			count += c.RestartCount
		}
	}
	return count
}

// forceReplicas deletes both pods without waiting for anything.
func (b *bench) forceReplicas(t *testing.T) {
	t.Helper()
	old := b.replicas(t)
	b.kubectl(t, "delete", "pods", "-n", systemNamespace, "-l", "app.kubernetes.io/name=envgraft", "--grace-period=0", "--force")
	eventually(t, time.Minute, "another replica that is ready", func() (bool, string) {
		now := b.endpoints()
		for _, r := range old {
			if strings.Contains(now, r.Metadata.Name) {
				return false, now
			}
		}
		return strings.Contains(now, "true"), now
	})
}

// endpoints lists the pods that the webhook's Service has, and whether they are ready.
func (b *bench) endpoints() string {
	out, err := b.try("get", "endpointslices", "-n", systemNamespace, "-l", "kubernetes.io/service-name=envgraft-webhook",
		"-o", "jsonpath={range .items[*].endpoints[*]}{.targetRef.name} {.conditions.ready}{'\\n'}{end}")
	if err != nil {
		return err.Error()
	}
	return out
}

// settled waits until the cluster is whole: what happens next must be the only
// thing that happens.
func (b *bench) settled(t *testing.T) {
	t.Helper()
	eventually(t, 3*time.Minute, "all pods to be ready, and the replicas to be on two nodes", func() (bool, string) {
		out, err := b.try("get", "pods", "-A", "-o",
			"jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.status.conditions[?(@.type=='Ready')].status}{'\\n'}{end}")
		if err != nil {
			return false, out
		}
		for line := range strings.Lines(out) {
			for _, namespace := range []string{"kube-system/", systemNamespace + "/", ssmNamespace + "/"} {
				if strings.HasPrefix(line, namespace) && !strings.HasSuffix(line, " True\n") {
					return false, line
				}
			}
		}
		if !strings.Contains(out, systemNamespace+"/") {
			return false, out
		}
		replicas := b.replicas(t)
		return len(replicas) == 2 && replicas[0].Spec.NodeName != replicas[1].Spec.NodeName, fmt.Sprintf("%+v", replicas)
	})
}

// cutNode cuts the node of one replica off from everything else.
func (b *bench) cutNode(t *testing.T) {
	t.Helper()
	const length = 10 * time.Second
	b.node(t, b.replicas(t)[0].Spec.NodeName, "sh", "-c", fmt.Sprintf(
		`for c in INPUT OUTPUT FORWARD; do iptables -w -I $c -i eth0 -j DROP 2>/dev/null || iptables -w -I $c -o eth0 -j DROP; done
		sleep %d
		for c in INPUT OUTPUT FORWARD; do iptables -w -D $c -i eth0 -j DROP 2>/dev/null || iptables -w -D $c -o eth0 -j DROP; done`, int(length.Seconds())))
}

// restartNodes restarts all machines at once, and waits until everything runs
// again. What a status says from before does not count.
func (b *bench) restartNodes(t *testing.T) {
	t.Helper()
	before := restarts(b.replicas(t))
	b.run(t, 3*time.Minute, append([]string{"docker", "restart", "--time", "2"}, b.nodes(t)...)...)
	eventually(t, 5*time.Minute, "both replicas to have been started again", func() (bool, string) {
		out, err := b.try("get", "pods", "-n", systemNamespace, "-l", "app.kubernetes.io/name=envgraft", "-o", "json")
		var list struct{ Items []replica }
		if err == nil {
			err = json.Unmarshal([]byte(out), &list)
		}
		return err == nil && restarts(list.Items) >= before+2, out
	})
	b.settled(t)
}
