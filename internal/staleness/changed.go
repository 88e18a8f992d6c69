package staleness

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DataChanged is when somebody last wrote to an object's data, by managedFields.
func DataChanged(m metav1.ObjectMeta) time.Time {
	latest := m.CreationTimestamp.Time
	for _, entry := range m.ManagedFields {
		var fields map[string]json.RawMessage
		if entry.FieldsV1 == nil || entry.Time == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, ok := fields["f:data"]; ok && entry.Time.After(latest) {
			latest = entry.Time.Time
		}
	}
	return latest
}
