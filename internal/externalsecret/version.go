package externalsecret

import "time"

// The rule: SSM begins again at version 1 when a parameter is deleted and created
// again, so numbers alone do not order. A state of a parameter is later than another
// if it was modified later, and by its number where the times do not tell. Only
// states of one parameter are compared: see Record.Of and Record.From.

// Version is one state of a parameter.
type Version struct {
	// Number counts the changes since the parameter was created, from 1 on.
	Number int64
	// Modified is SSM's LastModifiedDate; zero where it is not known, as in
	// records that were written before it was recorded.
	Modified time.Time
	// Seen is when the parameter was in this state, by the cluster's clock; zero
	// where that is not known. It stands in for Modified.
	Seen time.Time
}

// After says that v is a later state of the parameter than other. Times count by
// the millisecond, as records have them: SSM's come as floating-point seconds.
func (v Version) After(other Version) bool {
	v.Modified, other.Modified = v.Modified.Round(time.Millisecond), other.Modified.Round(time.Millisecond)
	switch {
	case !v.Modified.IsZero() && !other.Modified.IsZero():
		if !v.Modified.Equal(other.Modified) {
			return v.Modified.After(other.Modified)
		}
	case !v.Modified.IsZero() && !other.Seen.IsZero() && v.Modified.After(other.Seen):
		return true // it changed since the other was seen
	case !other.Modified.IsZero() && !v.Seen.IsZero() && other.Modified.After(v.Seen):
		return false
	}
	return v.Number > other.Number
}

// Is says that both are one state of the parameter.
func (v Version) Is(other Version) bool { return !v.After(other) && !other.After(v) }
