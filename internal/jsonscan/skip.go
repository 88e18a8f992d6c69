package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// end stands for the character behind the last.
const end = 0

// next passes over white space and returns the character that follows.
func (s *Scanner) next() byte {
	for s.at < len(s.data) {
		c := s.data[s.at]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return 1 // a control character, a NUL too, is not the end, and as wrong as any
		}
		s.at++
	}
	return end
}

// Skip passes over the next value. It keeps no more than a bit for each level
// that it is in.
func (s *Scanner) Skip() {
	outside := s.depth
	for s.err == nil {
		switch c := s.next(); c {
		case '{':
			s.enter(true)
			if s.err == nil && s.next() != '}' {
				s.skipKey()
				continue
			}
		case '[':
			s.enter(false)
			if s.err == nil && s.next() != ']' {
				continue
			}
		case '"':
			s.skipString()
		case 't':
			s.skipWord("true")
		case 'f':
			s.skipWord("false")
		case 'n':
			s.skipWord("null")
		default:
			s.skipNumber()
		}
		if s.leave(outside) {
			return
		}
	}
}

func (s *Scanner) enter(object bool) {
	s.descend()
	if s.err != nil {
		return
	}
	word, bit := s.level()
	if object {
		*word |= bit
	} else {
		*word &^= bit
	}
}

// level is where the bit of the innermost object or array stands.
func (s *Scanner) level() (word *uint64, bit uint64) {
	at, bit := s.depth/64, uint64(1)<<(s.depth%64)
	if at == 0 {
		return &s.objects, bit
	}
	for len(s.deeper) < at {
		s.deeper = append(s.deeper, 0)
	}
	return &s.deeper[at-1], bit
}

// leave closes what ends here, and tells whether that was the last of it.
func (s *Scanner) leave(outside int) bool {
	for s.err == nil && s.depth > outside {
		word, bit := s.level()
		object := *word&bit != 0
		switch c := s.next(); {
		case c == ',':
			s.at++
			if object {
				s.skipKey()
			}
			return false
		case c == '}' && object, c == ']' && !object:
			s.closed()
		default:
			s.failHere("behind a value")
		}
	}
	return true
}

func (s *Scanner) skipKey() {
	if s.next() != '"' {
		s.failHere("where a key is wanted")
		return
	}
	s.skipString()
	s.colon()
}

func (s *Scanner) skipWord(word string) {
	if s.at+len(word) > len(s.data) || string(s.data[s.at:s.at+len(word)]) != word {
		s.failHere("where a value is wanted")
		return
	}
	s.at += len(word)
}

// skipNumber goes by RFC 8259, section 6.
func (s *Scanner) skipNumber() {
	if s.is('-') {
		s.at++
	}
	switch {
	case s.is('0'):
		s.at++
	case !s.digits():
		s.failHere("where a value is wanted")
		return
	}
	if s.is('.') {
		s.at++
		if !s.digits() {
			s.failHere("in a number")
			return
		}
	}
	if s.is('e') || s.is('E') {
		s.at++
		if s.is('+') || s.is('-') {
			s.at++
		}
		if !s.digits() {
			s.failHere("in a number")
		}
	}
}

func (s *Scanner) is(c byte) bool { return s.at < len(s.data) && s.data[s.at] == c }

func digit(c byte) bool { return '0' <= c && c <= '9' }

// digits passes over digits, of which there must be one.
func (s *Scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && digit(s.data[s.at]) {
		s.at++
	}
	return s.at > start
}

// skipString passes over a string, and tells whether it is plain ASCII without
// escapes.
func (s *Scanner) skipString() (plain bool) {
	plain = true
	s.at++
	for {
		ascii := s.skipPlain()
		plain = plain && ascii
		if s.at >= len(s.data) {
			s.failHere("")
			return false
		}
		switch c := s.data[s.at]; c {
		case '"':
			s.at++
			return plain
		case '\\':
			plain = false
			if !s.skipEscape() {
				s.failHere("in an escape")
				return false
			}
		default:
			s.failHere("in a string")
			return false
		}
	}
}

// skipPlain passes over what needs no look in a string, eight bytes at a time:
// strings are most of a document. It stops at a quote, a backslash or a control
// character, and tells whether all before was ASCII.
func (s *Scanner) skipPlain() (ascii bool) {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	var seen uint64
	for s.at+8 <= len(s.data) {
		x := binary.LittleEndian.Uint64(s.data[s.at:])
		quote, slash := x^('"'*ones), x^('\\'*ones)
		// The lowest bit that is set belongs to a byte that is a quote, a
		// backslash or less than a space; those above it need not.
		stop := ((quote-ones)&^quote | (slash-ones)&^slash | (x-' '*ones)&^x) & high
		if stop != 0 {
			n := bits.TrailingZeros64(stop) / 8
			seen |= x & (1<<(8*n) - 1)
			s.at += n
			return seen&high == 0
		}
		seen |= x
		s.at += 8
	}
	for ; s.at < len(s.data); s.at++ {
		c := s.data[s.at]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		seen |= uint64(c)
	}
	return seen&high == 0
}

// skipEscape passes over a backslash and what belongs to it.
func (s *Scanner) skipEscape() bool {
	s.at++
	if s.at >= len(s.data) {
		return false
	}
	switch s.data[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return true
	case 'u':
		s.at++
	default:
		return false
	}
	for range 4 {
		if s.at >= len(s.data) || !hexadecimal(s.data[s.at]) {
			return false
		}
		s.at++
	}
	return true
}

func hexadecimal(c byte) bool {
	return digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
