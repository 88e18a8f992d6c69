package explain

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// Change is a variable that one environment has otherwise than another.
type Change struct {
	Container string `json:"container"`
	Name      string `json:"name"`
	// Was and Becomes are sources; empty where there is no such variable.
	Was     string `json:"was,omitempty"`
	Becomes string `json:"becomes,omitempty"`
}

// SourceOr writes a source for people: a dash would read as part of a diff.
func SourceOr(source string) string { return cmp.Or(source, "not set") }

// differences lists what becomes of the variables of containers that both
// have. What a container reads keys of that are not known is compared as the
// whole object: it counts as one source.
func differences(was, becomes []Container) []Change {
	var changes []Change
	for _, b := range becomes {
		at := slices.IndexFunc(was, func(c Container) bool { return c.Name == b.Name && c.Init == b.Init })
		if at < 0 {
			continue
		}
		changes = append(changes, containerDifferences(was[at], b)...)
	}
	return changes
}

func containerDifferences(was, becomes Container) []Change {
	have, want := sources(was), sources(becomes)
	all := maps.Clone(have)
	maps.Copy(all, want)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := Change{Container: becomes.Name, Name: name, Was: have[name], Becomes: want[name]}
		if c.Was != c.Becomes {
			changes = append(changes, c)
		}
	}
	return changes
}

// sources are where variables come from, by name. What has a value that may be
// shown counts with it: another value is another environment.
func sources(c Container) map[string]string {
	all := map[string]string{}
	for _, v := range c.Env {
		all[v.Name] = v.From
		if v.Value != nil {
			all[v.Name] = v.From + " " + strconv.Quote(*v.Value)
		}
	}
	for _, object := range c.Unknown {
		all["all of "+object] = object
	}
	return all
}
