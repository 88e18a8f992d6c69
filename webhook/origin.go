package webhook

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/jsonscan"
	"github.com/envgraft/envgraft/internal/workload"
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

// originOf reads a pod's metadata, and stops there; what cannot be read is left
// out.
func originOf(raw []byte) origin {
	var o origin
	s := jsonscan.New(raw)
	for key := range s.Members() {
		if string(key) == "metadata" {
			o = readOrigin(s)
			break
		}
	}
	if s.Err() != nil {
		return origin{}
	}
	return o
}

func readOrigin(s *jsonscan.Scanner) (o origin) {
	for key := range s.Members() {
		switch string(key) {
		case "name":
			o.Name = bounded.Text(s.Text(), bounded.Name)
		case "generateName":
			o.GenerateName = bounded.Text(s.Text(), bounded.Name)
		case "ownerReferences":
			o.Owner = controller(s.Raw())
		}
	}
	return o
}

// controller returns the owner that is one.
func controller(raw []byte) metav1.OwnerReference {
	var owners []metav1.OwnerReference
	if len(raw) > maxOwners || json.Unmarshal(raw, &owners) != nil {
		return metav1.OwnerReference{}
	}
	for _, owner := range owners {
		if owner.Controller != nil && *owner.Controller {
			return realistic(owner)
		}
	}
	return metav1.OwnerReference{}
}

// realistic returns the owner, or none where a field is longer than that of any
// object: owners are remembered, and a pod's author writes them.
func realistic(owner metav1.OwnerReference) metav1.OwnerReference {
	for _, field := range []string{owner.APIVersion, owner.Kind, owner.Name, string(owner.UID)} {
		if len(field) > bounded.Name {
			return metav1.OwnerReference{}
		}
	}
	return owner
}

// workload says that the pod is one of a workload that was there before it, and
// that the leader has seen to. What a pod's author forges here only has that
// pod wait.
func (o origin) workload() bool {
	owner := workload.FromOwner("", o.Owner)
	return owner.GroupKind().Group == workload.GroupApps && owner.KindOf().MakesPods
}

// owner names the owner as kubectl does, "" where there is none.
func (o origin) owner() string {
	if o.Owner.Kind == "" {
		return ""
	}
	return o.Owner.Kind + "/" + o.Owner.Name
}
