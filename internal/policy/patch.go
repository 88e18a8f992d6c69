package policy

import (
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: envFrom and the marks come out as graft.Subject.Graft makes them
// where no keys are known. Entries are removed and added one by one, so that
// the pod's own stay as they are.

// graftVariables returns what every container gets, and which containers count.
func graftVariables(c graft.Config) []variable {
	return []variable{
		{"configMapOptional", annotation(api.AnnotationConfigMapRequired) + " != 'true'"},
		{"secretOptional", annotation(api.AnnotationSecretOptional) + " == 'true'"},
		// The entries, and by which word each is told from others and from itself
		// with the other optionality.
		{"references", fmt.Sprintf("[%s]\n+ (%s ? [%s] : [])",
			entry("configMapRef", varConfigMap, "variables.configMapOptional"), varSecrets, entry("secretRef", varSecret, "variables.secretOptional"))},
		{"wanted", fmt.Sprintf("[%s] + (%s ? [%s] : [])",
			word("ConfigMap", "variables.configMapOptional"), varSecrets, word("Secret", "variables.secretOptional"))},
		{"all", "(variables.initContainers + variables.containers).map(c, c.name)"},
		// Those that were there when the pod was first admitted.
		{"first", fmt.Sprintf("%[1]s in variables.podAnnotations && %[2]s.split(',').all(n, n in variables.all) ? %[2]s.split(',') : variables.all",
			quote(api.AnnotationInjectedContainers), annotation(api.AnnotationInjectedContainers))},
		{"counting", fmt.Sprintf("%[1]s in variables.podAnnotations\n? variables.podAnnotations[%[1]s].split(',').map(v, v.trim())\n"+
			": variables.all.filter(n, n in variables.first && !(%[2]s))",
			quote(api.AnnotationContainers), skipped(c.SkipContainers))},
		{"wordsOfInitContainers", words("variables.initContainers")},
		{"wordsOfContainers", words("variables.containers")},
	}
}

// skipped is CEL for whether a container's name n is on the skip list.
func skipped(names []string) string {
	var exact []string
	conditions := []string{""}
	for _, name := range names {
		if !strings.Contains(name, "*") {
			exact = append(exact, name)
			continue
		}
		// The configuration takes nothing but labels and "*", none of which means
		// anything in a regular expression.
		conditions = append(conditions, fmt.Sprintf("n.matches(%s)", quote("^"+strings.ReplaceAll(name, "*", ".*")+"$")))
	}
	conditions[0] = "n in " + list(exact)
	return strings.Join(conditions, " || ")
}

// entry writes an element of envFrom. dyn lets a map hold values of two types.
func entry(field, name, optional string) string {
	return fmt.Sprintf("{%[1]s: %[3]s ? {'name': dyn(%[2]s), 'optional': dyn(true)} : {'name': dyn(%[2]s)}}", quote(field), name, optional)
}

func word(kind, optional string) string {
	return fmt.Sprintf("(%s ? 'optional ' : '') + %s", optional, quote(kind))
}

// words says of each container's envFrom what the entries are to us: plain
// references to the app's objects, or nothing.
func words(containers string) string {
	return fmt.Sprintf(`%s.map(c, c.?envFrom.orValue([]).map(e,
  e.?prefix.orValue('') != '' ? '' :
  e.?configMapRef.?name.orValue('') == %s ? %s :
  %s && e.?secretRef.?name.orValue('') == %s ? %s : ''))`, containers,
		varConfigMap, word("ConfigMap", "e.configMapRef.?optional.orValue(false)"),
		varSecrets, varSecret, word("Secret", "e.secretRef.?optional.orValue(false)"))
}

// patchExpression returns the mutation: nothing where the pod is left alone or
// about to be refused.
func patchExpression(c graft.Config) string {
	return "!variables.valid ? [] : (\n" + strings.Join([]string{
		containers("initContainers", "variables.wordsOfInitContainers"),
		containers("containers", "variables.wordsOfContainers"),
		labels(),
		annotations(c),
	}, "\n+ ") + ")"
}

// containers patches those of one list that count and have not the references
// at the end of envFrom, as they must be, and nowhere else.
func containers(field, words string) string {
	return fmt.Sprintf(`%[2]s.transformList(i, words,
  variables.%[1]s[i].name in variables.counting
    && !(words.filter(w, w != '') == variables.wanted
      && words.slice(words.size() - variables.wanted.size(), words.size()) == variables.wanted),
  words.size() == 0
    ? [JSONPatch{op: 'add', path: '/spec/%[1]s/' + string(i) + '/envFrom', value: variables.references}]
    : lists.range(words.size()).reverse().filter(j, words[j] != '')
        .map(j, JSONPatch{op: 'remove', path: '/spec/%[1]s/' + string(i) + '/envFrom/' + string(j)})
      + variables.references.map(r, JSONPatch{op: 'add', path: '/spec/%[1]s/' + string(i) + '/envFrom/-', value: r})
  ).flatten()`, field, words)
}

// labels marks the pod for the controller.
func labels() string {
	return fmt.Sprintf(`(has(object.metadata.labels) ? [] : [JSONPatch{op: 'add', path: '/metadata/labels', value: {}}])
+ (%s == variables.app ? [] : [JSONPatch{op: 'add', path: %s, value: variables.app}])`,
		podLabel(api.LabelApp), quote("/metadata/labels/"+pointer(api.LabelApp)))
}

// annotations records what was done, and removes marks of another admission.
func annotations(c graft.Config) string {
	set := func(key, condition, value string) string {
		return fmt.Sprintf("(%s ? [JSONPatch{op: 'add', path: %s, value: %s}] : [])", condition, quote("/metadata/annotations/"+pointer(key)), value)
	}
	all := []string{
		"(has(object.metadata.annotations) ? [] : [JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}])",
		set(api.AnnotationInjected, "true", fmt.Sprintf("'ConfigMap/' + %s + (%s ? ',Secret/' + %s : '')", varConfigMap, varSecrets, varSecret)),
		set(api.AnnotationParameter, varSecrets, varParameter),
	}
	const marked = "variables.counting.size() > 0"
	selected := annotated(api.AnnotationContainers)
	all = append(all,
		set(api.AnnotationInjectedContainers, fmt.Sprintf("!(%s) && %s", selected, marked), "variables.counting.join(',')"),
		fmt.Sprintf("(%s && (%s || !(%s)) ? [JSONPatch{op: 'remove', path: %s}] : [])", annotated(api.AnnotationInjectedContainers), selected, marked,
			quote("/metadata/annotations/"+pointer(api.AnnotationInjectedContainers))))
	if c.Reload {
		all = append(all,
			set(api.ReloaderConfigMap, "!("+annotated(api.ReloaderConfigMap)+")", varConfigMap),
			set(api.ReloaderSecret, varSecrets+" && !("+annotated(api.ReloaderSecret)+")", varSecret))
	}
	for _, key := range []string{api.AnnotationAwaitsSecret, api.AnnotationParameterModified, api.AnnotationParameterVersion} {
		all = append(all, fmt.Sprintf("(%s ? [JSONPatch{op: 'remove', path: %s}] : [])", annotated(key), quote("/metadata/annotations/"+pointer(key))))
	}
	return strings.Join(all, "\n+ ")
}

// pointer writes a key as a token of a JSON pointer.
func pointer(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }
