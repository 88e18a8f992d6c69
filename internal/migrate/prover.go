package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/envresolve"
)

// prover compares a container's environment before and after.
type prover struct {
	keys         envresolve.Keys
	was, becomes corev1.Container
	prefixes     []string
	proof        Proof
}

// key is a key of an object.
type key struct{ kind, object, name string }

func newProver(keys envresolve.Keys, was, becomes corev1.Container) *prover {
	p := &prover{keys: keys, was: was, becomes: becomes, proof: Proof{Container: was.Name}}
	prefixes, assumed := map[string]bool{"": true}, map[string]bool{}
	for _, from := range p.envFrom() {
		prefixes[from.Prefix] = true
		kind, name := objectOf(from)
		if _, known := keys(kind, name); !known && name != "" {
			assumed[kind+"/"+name] = true
		}
	}
	p.prefixes = slices.Sorted(maps.Keys(prefixes))
	p.proof.Assumed = slices.Sorted(maps.Keys(assumed))
	return p
}

func (p *prover) envFrom() []corev1.EnvFromSource {
	return slices.Concat(p.was.EnvFrom, p.becomes.EnvFrom)
}

func (p *prover) env() []corev1.EnvVar { return slices.Concat(p.was.Env, p.becomes.Env) }

func objectOf(from corev1.EnvFromSource) (kind, name string) {
	switch {
	case from.SecretRef != nil:
		return envresolve.KindSecret, from.SecretRef.Name
	case from.ConfigMapRef != nil:
		return envresolve.KindConfigMap, from.ConfigMapRef.Name
	}
	return "", ""
}

func (p *prover) add(c Change) {
	if !slices.Contains(p.proof.Changes, c) {
		p.proof.Changes = append(p.proof.Changes, c)
	}
}

// compareOptional has a container wait for the same objects as before.
func (p *prover) compareOptional() {
	waits := func(c corev1.Container) map[string]bool {
		required := map[string]bool{}
		for _, from := range c.EnvFrom {
			kind, name := objectOf(from)
			optional := from.SecretRef != nil && isTrue(from.SecretRef.Optional) || from.ConfigMapRef != nil && isTrue(from.ConfigMapRef.Optional)
			required[kind+"/"+name] = required[kind+"/"+name] || !optional
		}
		for _, e := range c.Env {
			if k, ok := keyOf(e); ok && !optionalKey(e) {
				required[k.kind+"/"+k.object] = true
			}
		}
		return required
	}
	words := map[bool]string{true: "required", false: "optional"}
	was, becomes := waits(p.was), waits(p.becomes)
	for _, object := range slices.Sorted(maps.Keys(becomes)) {
		if before, had := was[object]; had && before != becomes[object] || !had && becomes[object] {
			p.add(Change{Name: object, Was: words[before], Becomes: words[becomes[object]]})
		}
	}
}

// compareAll compares each name that is written or known, and one for each prefix
// that stands for all others.
func (p *prover) compareAll() {
	names := map[string]bool{}
	for _, e := range p.env() {
		names[e.Name] = true
	}
	for _, from := range p.envFrom() {
		keys, _ := p.keys(objectOf(from))
		for _, key := range keys {
			names[from.Prefix+key] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if p.compare(name) {
			p.proof.Variables++
		}
	}
	for _, prefix := range p.prefixes {
		p.compare(prefix + anyOther)
	}
}

// compare tries every combination of the unknown keys that the name hangs on. It
// returns whether the name is a variable in one of them.
func (p *prover) compare(name string) (set bool) {
	names := p.references(name)
	unknown := p.unknownKeys(names)
	if len(unknown) > maxUnknown {
		p.add(Change{Name: name, Was: "not known", Becomes: fmt.Sprintf("not known: it hangs on %d keys that could not be read", len(unknown))})
		return true
	}
	for combination := range 1 << len(unknown) {
		has := map[key]bool{}
		for i, k := range unknown {
			has[k] = combination&(1<<i) != 0
		}
		was, becomes := p.valueOf(p.was, name, names, has), p.valueOf(p.becomes, name, names, has)
		set = set || was != "" || becomes != ""
		if was != becomes {
			p.add(Change{Name: name, Was: cmp.Or(was, "not set"), Becomes: cmp.Or(becomes, "not set")})
			return true
		}
	}
	return set
}

// references are the name and all names that its values refer to.
func (p *prover) references(name string) map[string]bool {
	names, more := map[string]bool{name: true}, true
	for more {
		more = false
		for _, e := range p.env() {
			if !names[e.Name] || e.ValueFrom != nil {
				continue
			}
			for reference := range envresolve.References(e.Value) {
				more = more || !names[reference]
				names[reference] = true
			}
		}
	}
	return names
}

// unknownKeys are those that may give one of the names a value.
func (p *prover) unknownKeys(names map[string]bool) []key {
	found := map[key]bool{}
	note := func(kind, object, name string) {
		if _, known := p.keys(kind, object); !known {
			found[key{kind, object, name}] = true
		}
	}
	for _, from := range p.envFrom() {
		kind, object := objectOf(from)
		for name := range names {
			if rest, ok := strings.CutPrefix(name, from.Prefix); ok && rest != "" && object != "" {
				note(kind, object, rest)
			}
		}
	}
	for _, e := range p.env() {
		if k, ok := keyOf(e); ok && names[e.Name] {
			note(k.kind, k.object, k.name)
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b key) int {
		return strings.Compare(a.kind+"/"+a.object+"/"+a.name, b.kind+"/"+b.object+"/"+b.name)
	})
}

// keyOf is the key that an entry is bound to.
func keyOf(e corev1.EnvVar) (key, bool) {
	switch {
	case e.ValueFrom == nil:
	case e.ValueFrom.SecretKeyRef != nil:
		return key{envresolve.KindSecret, e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key}, true
	case e.ValueFrom.ConfigMapKeyRef != nil:
		return key{envresolve.KindConfigMap, e.ValueFrom.ConfigMapKeyRef.Name, e.ValueFrom.ConfigMapKeyRef.Key}, true
	}
	return key{}, false
}

func optionalKey(e corev1.EnvVar) bool {
	if ref := e.ValueFrom.SecretKeyRef; ref != nil {
		return isTrue(ref.Optional)
	}
	return isTrue(e.ValueFrom.ConfigMapKeyRef.Optional)
}

// valueOf returns what stands for a name's value; empty where it is not set. Only
// what the names hang on is looked at.
func (p *prover) valueOf(c corev1.Container, name string, names map[string]bool, has map[key]bool) string {
	one := corev1.Container{EnvFrom: c.EnvFrom}
	for _, e := range c.Env {
		if names[e.Name] {
			one.Env = append(one.Env, e)
		}
	}
	env, _ := envresolve.Values(one, envresolve.World{
		Data:  func(kind, object string) (map[string]string, bool) { return p.data(kind, object, has), true },
		Other: func(e corev1.EnvVar) (string, error) { return fmt.Sprintf("\x00%v\x00", e.ValueFrom), nil },
	})
	value, ok := env[name]
	if !ok {
		return ""
	}
	if inner, whole := strings.CutPrefix(value, "\x00"); whole && strings.Count(value, "\x00") == 2 && strings.HasSuffix(value, "\x00") {
		return strings.TrimSuffix(inner, "\x00")
	}
	return fmt.Sprintf("Literal %q", strings.ReplaceAll(value, "\x00", "|"))
}

// data stands for what an object holds: values that no other has.
func (p *prover) data(kind, object string, has map[key]bool) map[string]string {
	data := map[string]string{}
	set := func(name string) { data[name] = fmt.Sprintf("\x00%s/%s[%s]\x00", kind, object, name) }
	if keys, known := p.keys(kind, object); known {
		for _, name := range keys {
			set(name)
		}
		return data
	}
	for k, ok := range has {
		if ok && k.kind == kind && k.object == object {
			set(k.name)
		}
	}
	return data
}
