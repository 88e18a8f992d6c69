package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

// documents are seeds: each is right or wrong in a way of its own.
func documents() []string {
	return []string{
		``, ` `, `null`, `true`, `fals`, `nul`, `tru e`, `0`, `-0`, `-`, `01`, `1.`, `1.5`, `.5`, `1e`, `1e+`, `1E-7`, `+1`, `1 2`, "\x00", "0\x00",
		`""`, `"`, `"\"`, `"\\"`, `"\u00e9"`, `"\u00g9"`, `"\u00`, `"\x"`, "\"\n\"", "\"\x7f\"", "\"\xff\"", "\"é\"", `"12345678"`, `"1234567"`, `"123456789`, "\"1234567\x1f\"",
		"\"\xc0\x80 and more than eight\"", `"\ud800"`, `"!\"!#\\ "`,
		`{}`, `{`, `}`, `{]`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{"a":1}}`, `{,}`, `{1:2}`, `{"a":1 "b":2}`, `{"a":{"b":[{"c":null}]}}`, `{"a":1,"a":2}`, `{"\u0061":1}`,
		`[]`, `[`, `]`, `[}`, `[1`, `[1,]`, `[,1]`, `[1 2]`, `[[],{},"",0,true,false,null]`, "\t[\r\n1 , 2 ]\n", "\v[]", "\u00a0[]",
		strings.Repeat("[", deepest) + strings.Repeat("]", deepest), strings.Repeat("[", deepest+1) + strings.Repeat("]", deepest+1),
		strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200),
	}
}

// read builds the value again out of what the scanner hands out.
func read(s *Scanner) any {
	switch s.Kind() {
	case Object:
		object := map[string]any{}
		for key := range s.Members() {
			name := string(key)
			object[name] = read(s)
		}
		return object
	case Array:
		array := []any{}
		for range s.Elements() {
			array = append(array, read(s))
		}
		return array
	case String:
		return s.Text()
	case Null, Bool, Number, Invalid:
	}
	return json.RawMessage(s.Raw())
}

// FuzzScanner holds the scanner to encoding/json: it takes the same documents,
// and reads the same from them, whether it goes into values or passes over.
func FuzzScanner(f *testing.F) {
	for _, document := range documents() {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		valid := json.Valid(data)
		s := New(data)
		raw := s.Raw()
		if err := s.End(); (err == nil) != valid {
			t.Fatalf("passing over %.200q: valid is %t, got %v", data, valid, err)
		}
		if valid && string(raw) != strings.Trim(string(data), " \t\r\n") {
			t.Errorf("passing over %.200q: got %.200q", data, raw)
		}
		if s.depth != 0 && valid {
			t.Errorf("after %.200q the scanner is still %d levels deep", data, s.depth)
		}

		s = New(data)
		got := read(s)
		if err := s.End(); (err == nil) != valid {
			t.Fatalf("reading %.200q: valid is %t, got %v", data, valid, err)
		}
		if !valid {
			return
		}
		var want any
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if g, w := encode(t, got), encode(t, want); g != w {
			t.Errorf("reading %.200q: got %.200s, want %.200s", data, g, w)
		}
	})
}

func encode(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestScannerBuildsNothing holds that what is passed over costs nothing.
func TestScannerBuildsNothing(t *testing.T) {
	document := []byte(`{"containers":[` + strings.Repeat(`{"env":[{"name":"A\u0042","value":"é"}]},`, 10000) + `{}]}`)
	allocations := testing.AllocsPerRun(5, func() {
		s := New(document)
		for range s.Members() {
			for range s.Elements() {
				s.Skip()
			}
		}
		if err := s.End(); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 1 {
		t.Errorf("%.0f allocations for a document of which nothing was asked", allocations)
	}
}

func TestScannerUnread(t *testing.T) {
	s := New([]byte(`{"a":{"b":[1,2]},"c":[{"d":1}],"e":"x"}`))
	var keys []string
	for key := range s.Members() {
		keys = append(keys, string(key)) // and nothing is read
	}
	if err := s.End(); err != nil || strings.Join(keys, "") != "ace" {
		t.Errorf("got keys %q, error %v", keys, err)
	}
	for _, document := range []string{`3`, `"x"`, `[]`, `true`} {
		s := New([]byte(document))
		for range s.Members() {
			t.Errorf("%s has a member", document)
		}
		if s.Err() == nil {
			t.Errorf("%s was taken for an object", document)
		}
	}
}

func BenchmarkSkip(b *testing.B) {
	document := []byte(`{"spec":{"containers":[` + strings.Repeat(`{"name":"app","image":"registry.example.com/shop/app:1.2.3","ports":[{"containerPort":8080,"protocol":"TCP"}]},`, 80) + `{}]}}`)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		s := New(document)
		s.Skip()
		if s.End() != nil {
			b.Fatal(s.Err())
		}
	}
}

func TestScannerMismatch(t *testing.T) {
	s := New([]byte(`{"metadata":{"labels":{"tier":true}}}`))
	for range s.Members() {
		for range s.Members() {
			for range s.Members() {
				s.CheckText()
			}
		}
	}
	if err := s.End(); err == nil || err.Error() != "metadata.labels.tier is a boolean, not a string" {
		t.Errorf("got %v", err)
	}
}
