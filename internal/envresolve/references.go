package envresolve

import (
	"iter"
	"strings"
)

// References returns the names that a value refers to as $(NAME), by the
// kubelet's rules: $$ is an escaped $, so that $$(NAME) refers to nothing, and
// a reference without its end is text. See
// https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go.
func References(value string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := value; ; {
			_, after, found := strings.Cut(rest, "$")
			if !found {
				return
			}
			rest = after
			switch {
			case strings.HasPrefix(after, "$"):
				rest = after[1:]
			case strings.HasPrefix(after, "("):
				name, behind, closed := strings.Cut(after[1:], ")")
				if !closed {
					return // nor is any reference behind it ended
				}
				if !yield(name) {
					return
				}
				rest = behind
			}
		}
	}
}
