package policy

import (
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// The rule: a pod reaches the parameters of its Namespace's system and
// environments, and those that an administrator opened to the Namespace, as in
// identity.Rules.

// tenancyChecks hold a pod to what its Namespace may reach.
func (o Options) tenancyChecks() []check {
	return []check{
		{
			"system", fmt.Sprintf("%[1]s == '' || %[1]s == variables.system", podLabel(api.LabelSystem)),
			fmt.Sprintf("'label %s is \"' + %s + '\", but the namespace belongs to system \"' + variables.system + '\": remove the label'",
				api.LabelSystem, podLabel(api.LabelSystem)),
		},
		{
			"environments", fmt.Sprintf("variables.listedEnvironments.all(e, e.matches(%s))", quote(labelValue)),
			quote("annotation " + api.AnnotationAllowedEnvironments + " of the namespace is no list of environments, comma separated"),
		},
		{
			"environment", "variables.environment in variables.environments",
			fmt.Sprintf("'label %s is \"' + variables.environment + '\", but pods of this namespace are bound to ' + variables.environments.join(', ')",
				api.LabelEnvironment),
		},
		{
			"reach", o.reach(),
			fmt.Sprintf("'parameter \"' + %s + '\" is out of reach: pods of this namespace reach parameters of system \"' + variables.system + "+
				"'\" in ' + variables.environments.join(', ') + ' and those of its annotation %s'", varParameter, api.AnnotationAllowedParameterPrefixes),
		},
	}
}

// prefixes returns the variables of what is open to the Namespace.
func (o Options) prefixes() []variable {
	own := o.Engine.Rules.Names.Parameter.Prefix()
	// The app is no part of what tenancy holds a pod to.
	text := strings.ReplaceAll(expand(own), "variables.app", "''")
	valid := fmt.Sprintf("size(p) >= 3 && p.startsWith('/') && p.endsWith('/') && %s", validParameter("p.substring(0, size(p) - 1)"))
	return []variable{
		{"levels", varParameter + ".split('/')"},
		{"ownPrefixes", fmt.Sprintf("variables.environments.map(environment, %s)", strings.ReplaceAll(text, "variables.environment", "environment"))},
		{"listedPrefixes", listed(api.AnnotationAllowedParameterPrefixes)},
		// One that is malformed opens nothing, the others with it.
		{"openedPrefixes", fmt.Sprintf("variables.listedPrefixes.all(p, %s) ? variables.listedPrefixes : []", valid)},
	}
}

// reach is CEL for identity.Rules.reach: one prefix is enough.
func (o Options) reach() string {
	under := func(prefixes string, own bool) string {
		return fmt.Sprintf("%s.exists(p, %s.startsWith(p) && (%s))", prefixes, varParameter, o.environmentFits(own))
	}
	return under("variables.ownPrefixes", true) + "\n  || " + under("variables.openedPrefixes", false)
}

// environmentFits is CEL for identity.Rules.pathEnvironment, of a prefix p. The
// first of variables.levels is empty, as paths start with "/".
func (o Options) environmentFits(own bool) string {
	const depth = "p.split('/').size() - 2" // of levels in the prefix
	var known []string
	for _, environment := range o.Engine.Rules.KnownEnvironments {
		known = append(known, strings.ToLower(environment))
	}
	// Of what is behind the prefix, nothing may be another known environment.
	silent := fmt.Sprintf("lists.range(variables.levels.size()).all(i, i <= %s || variables.levels[i] in variables.environments || "+
		"!(variables.levels[i].lowerAscii() in %s))", depth, list(known))

	at, head, tail, ok := environmentLevel(o.Engine.Rules.Names.Parameter)
	if !ok {
		return silent
	}
	there := fmt.Sprintf("variables.levels.size() > %d", at)
	named := fmt.Sprintf("variables.environments.exists(e, variables.levels[%d] == %s + e + %s)", at, quote(head), quote(tail))
	decides := there
	if !own {
		decides += " && " + fits(o.Engine.Rules.Names.Parameter)
	}
	return fmt.Sprintf("%s && %d <= %s ? true : (%s ? %s : %s)", there, at, depth, decides, named, silent)
}

// environmentLevel says which level of a template, from 1 on, holds the
// environment, and what stands beside it there.
func environmentLevel(t identity.Template) (at int, head, tail string, ok bool) {
	const mark = "\x00"
	for i, level := range strings.Split(t.Expand("{system}", "{app}", mark), "/") {
		if head, tail, ok := strings.Cut(level, mark); ok {
			return i, head, tail, true
		}
	}
	return 0, "", "", false
}

// fits is CEL for whether the path may be the parameter of some app.
func fits(t identity.Template) string {
	levels := strings.Split(string(t), "/")
	conditions := []string{fmt.Sprintf("variables.levels.size() == %d", len(levels))}
	for i, level := range levels {
		if !strings.Contains(level, "{") {
			conditions = append(conditions, fmt.Sprintf("variables.levels[%d] == %s", i, quote(level)))
		}
	}
	return strings.Join(conditions, " && ")
}
