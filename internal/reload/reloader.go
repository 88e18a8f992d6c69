package reload

import (
	"maps"
	"strconv"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: Reloader reads a workload's metadata, and its pod template only
// where the metadata has none of the keys that count for the kind of object
// that changed. A key of ours on the metadata would thus switch off all of the
// template's; what Reloader read there before, it must find on the metadata.

// watched is a kind of object whose changes Reloader acts on, by the keys that
// are its own.
type watched struct {
	named string
	auto  string
}

// The keys that count for several kinds, or for kinds that envgraft itself
// does not name. Exclusions, pauses and rollout strategies are not among them:
// Reloader reads those on the metadata alone, so they are never hoisted.
const (
	secretAuto    = "secret." + api.ReloaderPrefix + "auto"
	configMapAuto = "configmap." + api.ReloaderPrefix + "auto"
	providerNamed = "secretproviderclass." + api.ReloaderPrefix + "reload"
	providerAuto  = "secretproviderclass." + api.ReloaderPrefix + "auto"
	search        = api.ReloaderPrefix + "search"
)

func watchedSecret() watched    { return watched{api.ReloaderSecret, secretAuto} }
func watchedConfigMap() watched { return watched{api.ReloaderConfigMap, configMapAuto} }

func allWatched() []watched {
	return []watched{watchedSecret(), watchedConfigMap(), {providerNamed, providerAuto}}
}

// keys are the annotations that Reloader asks for when an object of the kind
// changes.
func (w watched) keys() []string {
	return []string{w.named, w.auto, api.ReloaderAuto, search}
}

// decidedBy says that the annotations have one of the keys, be it empty.
func (w watched) decidedBy(annotations map[string]string) bool {
	for _, key := range w.keys() {
		if _, ok := annotations[key]; ok {
			return true
		}
	}
	return false
}

// source returns the annotations that Reloader goes by.
func (w watched) source(metadata, template map[string]string) map[string]string {
	if w.decidedBy(metadata) {
		return metadata
	}
	return template
}

// refused says that the author wants no reloads: auto is "false", for the kind
// or else for all. Reloader would follow a named annotation all the same.
func (w watched) refused(annotations map[string]string) bool {
	for _, key := range []string{w.auto, api.ReloaderAuto} {
		if on, err := strconv.ParseBool(annotations[key]); err == nil {
			return !on
		}
	}
	return false
}

// hoist returns the template's annotations that must go to the metadata along
// with ours.
func hoist(metadata, template map[string]string) map[string]string {
	hoisted := map[string]string{}
	whole := true
	for _, w := range allWatched() {
		if w.decidedBy(metadata) {
			whole = false
			continue
		}
		for _, key := range w.keys() {
			if value, ok := template[key]; ok {
				hoisted[key] = value
			}
		}
	}
	if !whole {
		narrowAuto(hoisted, metadata)
	}
	return hoisted
}

// narrowAuto writes auto as the kinds' own, where the metadata already decides
// for some kinds: on the metadata, auto would hold for these too. For search
// there is no such key; it comes to hold for them as well, but only for
// objects that somebody marked to be found.
func narrowAuto(hoisted, metadata map[string]string) {
	general, ok := hoisted[api.ReloaderAuto]
	if !ok {
		return
	}
	delete(hoisted, api.ReloaderAuto)
	on, _ := strconv.ParseBool(general)
	for _, w := range allWatched() {
		if !w.decidedBy(metadata) && (on || hoisted[w.auto] == "") {
			hoisted[w.auto] = general
		}
	}
}

// annotate returns the metadata's annotations as they must be for the names,
// and the record of what that added. The metadata is the author's own, without
// what an earlier admission added.
func annotate(metadata, template map[string]string, names Names) (map[string]string, record) {
	type object struct {
		watched
		name string
	}
	var missing []object
	reloaded := false
	for _, o := range []object{{watchedSecret(), names.Secret}, {watchedConfigMap(), names.ConfigMap}} {
		source := o.source(metadata, template)
		if o.name == "" || o.refused(source) {
			continue
		}
		reloaded = true
		if !covers(source[o.named], o.name) {
			missing = append(missing, o)
		}
	}
	if !reloaded {
		names.RolloutStrategy = ""
	}
	if len(missing) == 0 {
		return withStrategy(metadata, record{}, names.RolloutStrategy)
	}
	written := record{Hoisted: hoist(metadata, template), Appended: map[string]string{}}
	want := clone(metadata)
	maps.Copy(want, written.Hoisted)
	for _, o := range missing {
		want[o.named] = written.append(want, o.named, o.name)
	}
	return withStrategy(want, written, names.RolloutStrategy)
}
