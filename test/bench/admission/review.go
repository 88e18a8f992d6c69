package main

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/envgraft/envgraft/certs"
)

const headerTime = 5 * time.Second

func tlsOf(source certs.Source) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: source.GetCertificate}
}

// reviewBytes is the length of the review of a real pod, with what controllers
// and the API server's defaults put there.
const reviewBytes = 8 << 10

// podReview makes a review of that length, as an API server sends it, or a
// longer one where the containers take more.
func podReview(containers int) []byte {
	var c strings.Builder
	for i := range containers {
		if i > 0 {
			c.WriteByte(',')
		}
		fmt.Fprintf(&c, `{"name":"app-%d","image":"registry.example.com/shop/app:1.2.3","ports":[{"name":"http","containerPort":8080,"protocol":"TCP"}],"env":[`, i)
		for v := range 10 {
			fmt.Fprintf(&c, `{"name":"VAR_%d","value":"value of variable %d"},`, v, v)
		}
		c.WriteString(`{"name":"POD_IP","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"status.podIP"}}}],` +
			`"resources":{"limits":{"memory":"256Mi"},"requests":{"cpu":"50m","memory":"128Mi"}},` +
			`"volumeMounts":[{"name":"kube-api-access-x","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],` +
			`"livenessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},"timeoutSeconds":1,` +
			`"periodSeconds":10,"successThreshold":1,"failureThreshold":3},` +
			`"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}`)
	}
	review := `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002",` +
		`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
		`"requestKind":{"group":"","version":"v1","kind":"Pod"},"requestResource":{"group":"","version":"v1","resource":"pods"},` +
		`"namespace":"popapps","operation":"CREATE","userInfo":{"username":"system:serviceaccount:kube-system:replicaset-controller","uid":"1",` +
		`"groups":["system:serviceaccounts","system:serviceaccounts:kube-system","system:authenticated"]},` +
		`"object":{"kind":"Pod","apiVersion":"v1","metadata":{"generateName":"myapp-5d4f8-","creationTimestamp":null,` +
		`"labels":{"app.kubernetes.io/name":"myapp","pod-template-hash":"5d4f8"},` +
		`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"myapp-5d4f8","uid":"1","controller":true,"blockOwnerDeletion":true}],` +
		`"managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{%s}}]},` +
		`"spec":{"volumes":[{"name":"kube-api-access-x",` +
		`"projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}}],"defaultMode":420}}],` +
		`"containers":[` + c.String() + `],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default",` +
		`"securityContext":{},"schedulerName":"default-scheduler",` +
		`"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],` +
		`"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"},"status":{}},"oldObject":null,"dryRun":false,` +
		`"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}}`
	var fields []string
	for i := 0; len(review)+20*i < reviewBytes; i++ {
		fields = append(fields, fmt.Sprintf(`"f:field%05d":{}`, i))
	}
	return []byte(strings.Replace(review, "%s", strings.Join(fields, ","), 1))
}
