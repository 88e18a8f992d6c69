package staleness

import (
	"strconv"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// Marked reads the marks that envgraft left on a pod; get returns an annotation of
// it. A mark that cannot be read is none: a pod's author can write any.
func Marked(get func(annotation string) string, created time.Time) Pod {
	p := Pod{Injected: get(api.AnnotationInjected), Parameter: get(api.AnnotationParameter), Version: externalsecret.Version{Seen: created}}
	number, err := strconv.ParseInt(get(api.AnnotationParameterVersion), 10, 64)
	if err != nil || number < 1 {
		return p
	}
	p.Version.Number = number
	if modified, err := time.Parse(time.RFC3339Nano, get(api.AnnotationParameterModified)); err == nil {
		p.Version.Modified = modified
	}
	return p
}
