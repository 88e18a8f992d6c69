// Package jsonscan reads the few fields of a JSON document that somebody asks
// for and passes over the rest. Nothing is built of what is passed over, so a
// document costs its own bytes and no more; all of it is still checked to be
// JSON, by the rules of encoding/json.
package jsonscan

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Kind is what a value is.
type Kind byte

// The kinds of values.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// deepest is the nesting that encoding/json takes.
const deepest = 10000

// Scanner reads a document from its beginning to its end. The first error
// stays: after it, everything reads as empty.
type Scanner struct {
	data  []byte
	at    int
	depth int
	err   error
	// objects has a bit for each open object or array that Skip is in: set for
	// objects. No document of Kubernetes' own is nested deeper than the first
	// word; deeper has the bits below it.
	objects uint64
	deeper  []uint64
}

// New returns a scanner at the beginning of the document.
func New(data []byte) *Scanner { return &Scanner{data: data} }

// Err returns what was wrong, if anything was.
func (s *Scanner) Err() error { return s.err }

// Fail ends the scan for a reason of the caller's own.
func (s *Scanner) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Once notes in seen, by its bit, that a field is being read, and ends the scan
// where that was done before. It tells whether to go on.
func (s *Scanner) Once(seen *uint64, bit uint64, key []byte) bool {
	if *seen&bit != 0 {
		s.Fail(fmt.Errorf("field %.100q stands twice", key))
		return false
	}
	*seen |= bit
	return true
}

// End checks that nothing is left of the document.
func (s *Scanner) End() error {
	if s.err == nil && s.next() != end {
		s.failHere("after the document's end")
	}
	return s.err
}

// Kind tells what the next value is, and reads nothing.
func (s *Scanner) Kind() Kind {
	switch c := s.next(); c {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	default:
		if c == '-' || digit(c) {
			return Number
		}
	}
	return Invalid
}

// Members goes through an object. A value that the loop does not read is
// passed over; the key is valid until then. Null has no members, and any other
// value is an error.
func (s *Scanner) Members() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !s.open('{', "an object") {
			return
		}
		if s.next() == '}' {
			s.closed()
			return
		}
		for {
			key := s.key()
			if s.err != nil || !s.item(func() bool { return yield(key) }) {
				s.Within("." + string(key))
				return
			}
			if s.closes('}') {
				return
			}
		}
	}
}

// Elements goes through an array, as Members does through an object.
func (s *Scanner) Elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		if !s.open('[', "an array") {
			return
		}
		if s.next() == ']' {
			s.closed()
			return
		}
		for i := 0; ; i++ {
			if !s.item(func() bool { return yield(i) }) {
				s.Within("[" + strconv.Itoa(i) + "]")
				return
			}
			if s.closes(']') {
				return
			}
		}
	}
}

// item hands out one value, and passes over it where nobody read it.
func (s *Scanner) item(yield func() bool) bool {
	s.next()
	before := s.at
	if !yield() || s.err != nil {
		return false
	}
	if s.at == before {
		s.Skip()
	}
	return s.err == nil
}

// open reads the beginning of an object or array, unless the value is null.
func (s *Scanner) open(bracket byte, wanted string) bool {
	if s.err != nil {
		return false
	}
	switch s.next() {
	case bracket:
		s.descend()
		return s.err == nil
	case 'n':
		s.Skip()
		return false
	}
	s.failKind(wanted)
	return false
}

// closes reads what stands behind an item.
func (s *Scanner) closes(bracket byte) bool {
	switch s.next() {
	case ',':
		s.at++
		return false
	case bracket:
		s.closed()
		return true
	}
	s.failHere("behind a value")
	return true
}

func (s *Scanner) descend() {
	s.at++
	if s.depth++; s.depth > deepest {
		s.Fail(errors.New("the document is nested too deep"))
	}
}

func (s *Scanner) closed() {
	s.at++
	s.depth--
}

// Try reads the next value by read. Where that finds fault with it, the value
// is passed over as any other, and the fault is returned: what is no JSON at
// all stays the document's own error.
func (s *Scanner) Try(read func()) error {
	if s.err != nil {
		return s.err
	}
	start, depth := s.at, s.depth
	read()
	fault := s.err
	if fault != nil {
		s.at, s.depth, s.err = start, depth, nil
		s.Skip()
	}
	return fault
}

// Raw passes over the next value and returns its bytes, which are the
// document's own.
func (s *Scanner) Raw() []byte { return s.Span(s.Skip) }

// Span returns the bytes of what read reads.
func (s *Scanner) Span(read func()) []byte {
	s.next()
	start := s.at
	read()
	if s.err != nil {
		return nil
	}
	return s.data[start:s.at]
}

// Text reads a string; null is the empty one.
func (s *Scanner) Text() string { return string(s.bytes()) }

// CheckText passes over a string, or null, and over nothing else.
func (s *Scanner) CheckText() {
	if kind := s.Kind(); kind != String && kind != Null {
		s.failKind("a string")
	}
	s.Skip()
}

// bytes reads a string, which stays in the document where it can.
func (s *Scanner) bytes() []byte {
	switch {
	case s.err != nil:
		return nil
	case s.next() == 'n':
		s.Skip()
		return nil
	case s.next() != '"':
		s.failKind("a string")
		return nil
	}
	return s.quoted()
}

// quoted reads what stands in quotes.
func (s *Scanner) quoted() []byte {
	start := s.at
	plain := s.skipString()
	switch {
	case s.err != nil:
		return nil
	case plain:
		return s.data[start+1 : s.at-1]
	}
	// Escapes, and bytes that may be no UTF-8: encoding/json knows how they read.
	var text string
	if err := json.Unmarshal(s.data[start:s.at], &text); err != nil {
		s.Fail(err)
	}
	return []byte(text)
}

// key reads a key and the colon behind it.
func (s *Scanner) key() []byte {
	if s.next() != '"' {
		s.failHere("where a key is wanted")
		return nil
	}
	key := s.quoted()
	s.colon()
	return key
}

func (s *Scanner) colon() {
	if s.err != nil {
		return
	}
	if s.next() != ':' {
		s.failHere("behind a key")
		return
	}
	s.at++
}

// mismatch is a value of another kind than was asked for.
type mismatch struct{ path, got, wanted string }

func (m *mismatch) Error() string {
	return strings.TrimPrefix(m.path, ".") + " is " + m.got + ", not " + m.wanted
}

// failKind says that the next value is not what was wanted.
func (s *Scanner) failKind(wanted string) {
	kind := s.Kind()
	if kind == Invalid {
		s.failHere("where a value is wanted")
		return
	}
	got := [...]string{
		Null: "null", Bool: "a boolean", Number: "a number", String: "a string", Array: "an array", Object: "an object",
	}[kind]
	s.Fail(&mismatch{got: got, wanted: wanted})
}

// Within says where in the document a mismatch is, from the inside out.
func (s *Scanner) Within(step string) {
	if m := (*mismatch)(nil); errors.As(s.err, &m) {
		m.path = step + m.path
	}
}

// failHere says what stands at the place that was come to.
func (s *Scanner) failHere(where string) {
	if s.at >= len(s.data) {
		s.Fail(errors.New("the document ends in the middle"))
		return
	}
	s.Fail(fmt.Errorf("character %q %s, at byte %d", s.data[s.at], where, s.at))
}
