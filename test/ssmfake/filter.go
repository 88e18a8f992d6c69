package ssmfake

import (
	"slices"
	"strings"
)

// filter is one of DescribeParameters, see
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html.
type filter struct {
	Key    string   `json:"Key"`
	Option string   `json:"Option"`
	Values []string `json:"Values"`
}

func matchesAll(p *parameter, filters []filter) (bool, error) {
	for _, filter := range filters {
		matches, err := filter.matches(p)
		if err != nil || !matches {
			return false, err
		}
	}
	return true, nil
}

func (f filter) matches(p *parameter) (bool, error) {
	if f.Key == "Path" {
		return slices.ContainsFunc(f.Values, func(path string) bool {
			return under(p.name, path, f.Option == "Recursive")
		}), nil
	}
	actual, err := f.actual(p)
	if err != nil {
		return false, err
	}
	compare, err := f.comparison()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(f.Values, func(wanted string) bool { return compare(actual, wanted) }), nil
}

func (f filter) actual(p *parameter) (string, error) {
	switch f.Key {
	case "Name":
		return p.name, nil
	case "Type":
		return p.kind, nil
	case "KeyId":
		return p.keyID, nil
	case "Tier":
		return p.tier, nil
	}
	if key, ok := strings.CutPrefix(f.Key, "tag:"); ok {
		return p.tags[key], nil
	}
	return "", apiError{"InvalidFilterKey", "The specified key isn't valid: " + f.Key}
}

func (f filter) comparison() (func(actual, wanted string) bool, error) {
	switch f.Option {
	case "", "Equals":
		return func(actual, wanted string) bool { return actual == wanted }, nil
	case "BeginsWith":
		return strings.HasPrefix, nil
	case "Contains":
		return strings.Contains, nil
	}
	return nil, apiError{"InvalidFilterOption", "The specified filter option isn't valid: " + f.Option}
}
