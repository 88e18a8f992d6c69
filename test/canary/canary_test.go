package canary

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	value := Value("somewhere")
	quoted, err := json.Marshal(map[string]string{"a": value})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		text string
		want int
	}{
		"Nothing": {"a log\nwithout a value\n", 0},
		"Plain":   {"one\nvalue=" + value + "\nthree", 1},
		"Twice":   {value + "\n" + value, 2},
		"JSON":    {string(quoted), 1},
		"Hex":     {hex.EncodeToString([]byte(value)), 1},
		"CutOff":  {value[:7] + "…", 1},
	}
	for shift := range 6 {
		text := strings.Repeat("x", shift) + value + "tail"
		cases[fmt.Sprintf("Base64At%d", shift)] = struct {
			text string
			want int
		}{base64.StdEncoding.EncodeToString([]byte(text)), 1}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Find(tc.text); len(got) != tc.want {
				t.Errorf("Find(%q) = %q, want %d lines", tc.text, got, tc.want)
			}
		})
	}
}

func TestObject(t *testing.T) {
	var object map[string]string
	if err := json.Unmarshal([]byte(Object("p", "A", "B")), &object); err != nil {
		t.Fatal(err)
	}
	if object["A"] != Value("p-A") || object["B"] != Value("p-B") || len(object) != 2 {
		t.Errorf("Object holds %v", object)
	}
}
