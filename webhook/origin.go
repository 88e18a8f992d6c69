package webhook

import (
	stdjson "encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
)

// maxOwners bounds the owners that are read: Kubernetes' own controllers set
// one, and a list of thousands is not worth its decoding.
const maxOwners = 16 << 10

// origin is where a pod comes from, as its author says: for logs and Events. It
// decides nothing.
type origin struct {
	Name         string
	GenerateName string
	// Owner is the controller, empty where the pod has none.
	Owner metav1.OwnerReference
}

// originOf reads a pod's metadata; what cannot be read is left out.
func originOf(raw []byte) origin {
	var pod struct {
		Metadata struct {
			Name            string             `json:"name"`
			GenerateName    string             `json:"generateName"`
			OwnerReferences stdjson.RawMessage `json:"ownerReferences"`
		} `json:"metadata"`
	}
	if json.Unmarshal(raw, &pod) != nil {
		return origin{}
	}
	o := origin{Name: pod.Metadata.Name, GenerateName: pod.Metadata.GenerateName}
	var owners []metav1.OwnerReference
	if len(pod.Metadata.OwnerReferences) > maxOwners || json.Unmarshal(pod.Metadata.OwnerReferences, &owners) != nil {
		return o
	}
	for _, owner := range owners {
		if owner.Controller != nil && *owner.Controller {
			o.Owner = owner
			return o
		}
	}
	return o
}

// owner names the owner as kubectl does, "" where there is none.
func (o origin) owner() string {
	if o.Owner.Kind == "" {
		return ""
	}
	return o.Owner.Kind + "/" + o.Owner.Name
}
