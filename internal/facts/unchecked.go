package facts

import (
	"context"

	"github.com/envgraft/envgraft/internal/graft"
)

// Unchecked looks at no parameter at all (facts.keySource: none, or a command
// that was given none). Cause says for people why.
type Unchecked struct{ Cause string }

// Parameter says that nobody looked.
func (u Unchecked) Parameter(context.Context, Question) Parameter {
	return Parameter{Parameter: without(graft.ParameterUnchecked, u.Cause)}
}
