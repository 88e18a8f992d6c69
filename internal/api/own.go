package api

import "strings"

// Own are the labels or annotations that are envgraft's, of an object's; nil
// where it has none.
func Own(all map[string]string) map[string]string {
	var own map[string]string
	for key, value := range all {
		if !strings.HasPrefix(key, Group+"/") {
			continue
		}
		if own == nil {
			own = make(map[string]string, 4)
		}
		own[key] = value
	}
	return own
}
