package ssmfake

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// operation answers one request; its caller holds the lock.
type operation func(f *Fake, body []byte) (any, error)

func operations() map[string]operation {
	return map[string]operation{
		"GetParameter":           getParameter,
		"GetParameters":          getParameters,
		"GetParametersByPath":    getParametersByPath,
		"DescribeParameters":     describeParameters,
		"GetParameterHistory":    getParameterHistory,
		"PutParameter":           putParameter,
		"DeleteParameter":        deleteParameter,
		"AddTagsToResource":      addTagsToResource,
		"RemoveTagsFromResource": removeTagsFromResource,
		"ListTagsForResource":    listTagsForResource,
	}
}

func getParameter(f *Fake, body []byte) (any, error) {
	var in struct {
		Name           string `json:"Name"`
		WithDecryption bool   `json:"WithDecryption"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	p, number, err := f.get(in.Name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Parameter": p.read(number, in.WithDecryption)}, nil
}

func getParameters(f *Fake, body []byte) (any, error) {
	var in struct {
		Names          []string `json:"Names"`
		WithDecryption bool     `json:"WithDecryption"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if len(in.Names) == 0 || len(in.Names) > 10 {
		return nil, invalid("'names' must have 1 to 10 members.")
	}
	found, missing := []any{}, []string{}
	for _, name := range in.Names {
		p, number, err := f.get(name)
		if err != nil {
			missing = append(missing, name)
			continue
		}
		found = append(found, p.read(number, in.WithDecryption))
	}
	return map[string]any{"Parameters": found, "InvalidParameters": missing}, nil
}

func getParametersByPath(f *Fake, body []byte) (any, error) {
	var in struct {
		Path           string `json:"Path"`
		Recursive      bool   `json:"Recursive"`
		WithDecryption bool   `json:"WithDecryption"`
		NextToken      string `json:"NextToken"`
		MaxResults     int    `json:"MaxResults"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(in.Path, "/") {
		return nil, invalid("The path must begin with '/'.")
	}
	found := []any{}
	for _, p := range f.sorted() {
		if under(p.name, in.Path, in.Recursive) {
			found = append(found, p.read(p.latest(), in.WithDecryption))
		}
	}
	return page("Parameters", found, in.NextToken, in.MaxResults, 10)
}

func describeParameters(f *Fake, body []byte) (any, error) {
	var in struct {
		ParameterFilters []filter `json:"ParameterFilters"`
		NextToken        string   `json:"NextToken"`
		MaxResults       int      `json:"MaxResults"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	found := []any{}
	for _, p := range f.sorted() {
		matches, err := matchesAll(p, in.ParameterFilters)
		if err != nil {
			return nil, err
		}
		if matches {
			found = append(found, p.describe())
		}
	}
	return page("Parameters", found, in.NextToken, in.MaxResults, 50)
}

func getParameterHistory(f *Fake, body []byte) (any, error) {
	var in struct {
		Name           string `json:"Name"`
		WithDecryption bool   `json:"WithDecryption"`
		NextToken      string `json:"NextToken"`
		MaxResults     int    `json:"MaxResults"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	p := f.parameters[in.Name]
	if p == nil {
		return nil, apiError{"ParameterNotFound", ""}
	}
	all := []any{}
	for n := range p.versions {
		version := p.read(int64(n+1), in.WithDecryption)
		delete(version, "ARN")
		version["LastModifiedUser"] = "arn:aws:iam::" + Account + ":user/fake"
		version["Tier"], version["Labels"] = p.tier, []string{}
		if p.keyID != "" {
			version["KeyId"] = p.keyID
		}
		all = append(all, version)
	}
	return page("Parameters", all, in.NextToken, in.MaxResults, 50)
}

// putInput is the request of PutParameter.
type putInput struct {
	Name        string `json:"Name"`
	Value       string `json:"Value"`
	Type        string `json:"Type"`
	KeyID       string `json:"KeyId"`
	Tier        string `json:"Tier"`
	Description string `json:"Description"`
	Overwrite   bool   `json:"Overwrite"`
	Tags        []tag  `json:"Tags"`
}

func putParameter(f *Fake, body []byte) (any, error) {
	var in putInput
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	p := f.parameters[in.Name]
	if err := in.check(p); err != nil {
		return nil, err
	}
	if p == nil {
		p = &parameter{name: in.Name, kind: in.Type, tier: tierStandard, tags: tagMap(in.Tags)}
	}
	tier, err := checkValue(in.Value, first(in.Tier, p.tier))
	if err != nil {
		return nil, err
	}
	if p.tier == tierAdvanced && tier == tierStandard {
		return nil, invalid("You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.")
	}
	p.kind, p.tier, p.description = first(in.Type, p.kind), tier, first(in.Description, p.description)
	if p.kind == typeSecureString {
		p.keyID = first(in.KeyID, p.keyID, defaultKeyID)
	}
	f.parameters[in.Name] = p
	return map[string]any{"Version": p.add(in.Value), "Tier": tier}, nil
}

// check refuses what does not fit the parameter as it is; existing is nil for
// a new one.
func (in putInput) check(existing *parameter) error {
	switch {
	case existing != nil && !in.Overwrite:
		return apiError{
			"ParameterAlreadyExists",
			"The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
		}
	case in.Overwrite && len(in.Tags) > 0:
		return invalid("Invalid request: tags and overwrite can't be used together.")
	case existing == nil && in.Type == "":
		return invalid("A parameter type is required when you create a parameter.")
	case existing != nil && in.Type != "" && in.Type != existing.kind && existing.kind == typeSecureString:
		return apiError{"HierarchyTypeMismatchException", "The type of a SecureString parameter can't be changed."}
	case in.KeyID != "" && first(in.Type, kindOf(existing)) != typeSecureString:
		return invalid("KeyId is only supported for parameters of type SecureString.")
	}
	return nil
}

func kindOf(p *parameter) string {
	if p == nil {
		return ""
	}
	return p.kind
}

func deleteParameter(f *Fake, body []byte) (any, error) {
	var in struct {
		Name string `json:"Name"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if f.parameters[in.Name] == nil {
		return nil, apiError{"ParameterNotFound", ""}
	}
	delete(f.parameters, in.Name)
	return struct{}{}, nil
}

// sorted lists the parameters by name: pages must not overlap.
func (f *Fake) sorted() []*parameter {
	sorted := make([]*parameter, 0, len(f.parameters))
	for _, name := range slices.Sorted(maps.Keys(f.parameters)) {
		sorted = append(sorted, f.parameters[name])
	}
	return sorted
}

// under tells whether a parameter lies at a path: one level below it, or any.
func under(name, path string, recursive bool) bool {
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(path, "/")+"/")
	return ok && (recursive || !strings.Contains(rest, "/"))
}

// page cuts out what a token asks for; the token is the index of the next item.
func page(key string, all []any, token string, size, limit int) (any, error) {
	if size == 0 {
		size = limit
	}
	start := 0
	if token != "" {
		var err error
		if start, err = strconv.Atoi(token); err != nil || start < 0 || start > len(all) {
			return nil, apiError{"InvalidNextToken", "The specified token is not valid."}
		}
	}
	if size < 0 || size > limit {
		return nil, invalid("'maxResults' must be at most " + strconv.Itoa(limit) + ".")
	}
	end := min(start+size, len(all))
	answer := map[string]any{key: all[start:end]}
	if end < len(all) {
		answer["NextToken"] = strconv.Itoa(end)
	}
	return answer, nil
}

// first returns the first value that is not empty.
func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
