package bounded

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

// Recorder records Events whose notes the API server takes: it refuses a longer
// one, and what the Event was about would be told to nobody.
func Recorder(recorder events.EventRecorder) events.EventRecorder { return eventRecorder{recorder} }

type eventRecorder struct{ events.EventRecorder }

func (r eventRecorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	r.EventRecorder.Eventf(regarding, related, kind, reason, action, "%s", Middle(fmt.Sprintf(note, args...), Note))
}
