package restarts

import (
	"fmt"
	"testing"
	"time"
)

// zones have clocks that go forward, at many a time of the night: by an hour,
// half of one (Lord Howe), over midnight (Cairo, Beirut, Santiago), all of a day
// (Apia in 2011) and, in Dublin, in winter by name.
func zones() map[string]int {
	return map[string]int{
		"Europe/Berlin": 2026, "Europe/London": 2026, "Europe/Dublin": 2026, "Africa/Cairo": 2026, "Australia/Sydney": 2026,
		"Australia/Lord_Howe": 2026, "America/New_York": 2026, "America/Santiago": 2026, "Asia/Beirut": 2026, "Asia/Jerusalem": 2026,
		"America/Havana": 2026, "Pacific/Auckland": 2026, "Atlantic/Azores": 2026, "America/Nuuk": 2026, "Pacific/Apia": 2011, "UTC": 2026,
	}
}

// wall is a minute of the day.
func (c clockTime) wall() int { return c.hour*60 + c.minute }

// isOpen says what the clock on the wall says, a second opinion that knows of no
// moment but now.
func isOpen(s Span, now time.Time) bool {
	at := clockTime{now.Hour(), now.Minute()}.wall()
	today, yesterday := s.days[now.Weekday()], s.days[(now.Weekday()+6)%7]
	if s.from.before(s.to) {
		return today && at >= s.from.wall() && at < s.to.wall()
	}
	return today && at >= s.from.wall() || yesterday && at < s.to.wall()
}

// TestYearOfEveryZone goes through a year in steps of twenty minutes and wants a
// window open when the clock on the wall is in it, and no hour longer. Where clocks
// go back the hour is twice, and a window of it is open from its first begin to
// its first end or until the second: both are what somebody meant.
func TestYearOfEveryZone(t *testing.T) {
	for name, year := range zones() {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"daily 02:00-03:00", "daily 01:00-02:00", "daily 00:00-01:00", "daily 02:20-02:40", "daily 02:20-05:00", "Sun 01:20-02:20",
			"Sat 22:00-02:20", "Sat 22:00-00:20", "daily 23:00-00:00", "Fri 00:20-00:20", "Mon-Fri 09:00-17:00", "Sun 00:00-00:00",
		} {
			t.Run(fmt.Sprintf("%s of %s", text, name), func(t *testing.T) {
				s, err := ParseSpan(text + " " + name)
				if err != nil {
					t.Fatal(err)
				}
				for now := time.Date(year, 1, 2, 0, 0, 0, 0, zone); now.Year() == year; now = now.Add(20 * time.Minute) {
					want, got := isOpen(s, now), s.until(now) == 0
					if want != got && !goesBack(now) && !leftOutDay(now) {
						t.Fatalf("at %s it is open: %t, want %t", now, got, want)
					}
				}
			})
		}
	}
}

// goesBack says that clocks go back within a day of now.
func goesBack(now time.Time) bool {
	_, before := now.Add(-24 * time.Hour).Zone()
	_, after := now.Add(24 * time.Hour).Zone()
	return after < before
}

// leftOutDay says that there is no day between the two around now, as on
// December 30, 2011 in Apia: the span of such a day is nobody's.
func leftOutDay(now time.Time) bool {
	_, before := now.Add(-24 * time.Hour).Zone()
	_, after := now.Add(24 * time.Hour).Zone()
	return after-before >= 24*60*60
}

// TestGapEndsWindow is the case that kept restarts allowed for 24 hours.
func TestGapEndsWindow(t *testing.T) {
	s, err := ParseSpan("Sun 02:00-03:00 Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{
		"2026-03-29T00:59:00Z": false, "2026-03-29T01:00:00Z": false, "2026-03-29T01:30:00Z": false, "2026-03-29T12:00:00Z": false,
		"2026-04-05T00:00:00Z": true, "2026-04-05T01:00:00Z": false,
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.until(now) == 0; got != want {
			t.Errorf("at %s it is open: %t, want %t", at, got, want)
		}
	}
}
