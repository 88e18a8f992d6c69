package ssmfake

import (
	"encoding/json"
	"maps"
	"slices"
)

type tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

type tagInput struct {
	ResourceID   string   `json:"ResourceId"`
	ResourceType string   `json:"ResourceType"`
	Tags         []tag    `json:"Tags"`
	TagKeys      []string `json:"TagKeys"`
}

func tagMap(tags []tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

func addTagsToResource(f *Fake, body []byte) (any, error) {
	in, p, err := f.tagged(body)
	if err != nil {
		return nil, err
	}
	if p.tags == nil {
		p.tags = map[string]string{}
	}
	maps.Copy(p.tags, tagMap(in.Tags))
	return struct{}{}, nil
}

func removeTagsFromResource(f *Fake, body []byte) (any, error) {
	in, p, err := f.tagged(body)
	if err != nil {
		return nil, err
	}
	for _, key := range in.TagKeys {
		delete(p.tags, key)
	}
	return struct{}{}, nil
}

func listTagsForResource(f *Fake, body []byte) (any, error) {
	_, p, err := f.tagged(body)
	if err != nil {
		return nil, err
	}
	list := []tag{}
	for _, key := range slices.Sorted(maps.Keys(p.tags)) {
		list = append(list, tag{key, p.tags[key]})
	}
	return map[string]any{"TagList": list}, nil
}

// tagged decodes a request about tags and finds its parameter.
func (f *Fake) tagged(body []byte) (tagInput, *parameter, error) {
	var in tagInput
	if err := json.Unmarshal(body, &in); err != nil {
		return in, nil, err
	}
	if in.ResourceType != "Parameter" {
		return in, nil, apiError{"InvalidResourceType", "The resource type isn't valid: " + in.ResourceType}
	}
	p := f.parameters[in.ResourceID]
	if p == nil {
		return in, nil, apiError{"InvalidResourceId", "The resource ID isn't valid: " + in.ResourceID}
	}
	return in, p, nil
}
