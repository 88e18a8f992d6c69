package graft

import "strings"

// The rule: containers that injectors add are nobody's app, and are told by
// their names. Some have a name for each language, so a name may be a pattern.

// namePatterns are names in which "*" stands for any text.
type namePatterns struct {
	exact    Names
	patterns []string
}

func newNamePatterns(names []string) namePatterns {
	p := namePatterns{exact: Names{}}
	for _, name := range names {
		if strings.Contains(name, "*") {
			p.patterns = append(p.patterns, name)
			continue
		}
		p.exact[name] = struct{}{}
	}
	return p
}

func (p namePatterns) has(name string) bool {
	if p.exact.Has(name) {
		return true
	}
	for _, pattern := range p.patterns {
		if matches(pattern, name) {
			return true
		}
	}
	return false
}

// matches takes the first place for each part of a pattern: the last part
// stands at the end, and leaves those before it as much room as there is.
func matches(pattern, name string) bool {
	head, rest, found := strings.Cut(pattern, "*")
	name, ok := strings.CutPrefix(name, head)
	for found && ok {
		var part string
		part, rest, found = strings.Cut(rest, "*")
		if !found {
			return strings.HasSuffix(name, part)
		}
		_, name, ok = strings.Cut(name, part)
	}
	return ok && name == ""
}
