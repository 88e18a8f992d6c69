package restarts

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // images from scratch have no time zones
)

// Span is a time of the week at which workloads may be restarted.
type Span struct {
	// days are those on which it begins.
	days     [7]bool
	from, to clockTime
	zone     *time.Location
}

type clockTime struct{ hour, minute int }

// SpanForm is how one is written.
const SpanForm = `"DAYS HH:MM-HH:MM ZONE", as in "Mon-Fri 09:00-17:00 Europe/Berlin", "Sat,Sun 22:00-04:00 UTC" or "daily 03:00-05:00"`

var span = regexp.MustCompile(`^(\S+) (\d\d:\d\d)-(\d\d:\d\d)(?: (\S+))?$`)

// ParseSpan reads a span of the form of SpanForm. One whose end is not after
// its begin ends on the next day; without a zone it is UTC's.
func ParseSpan(text string) (Span, error) {
	match := span.FindStringSubmatch(text)
	if match == nil {
		return Span{}, fmt.Errorf("must have the form %s", SpanForm)
	}
	var s Span
	var err error
	if s.days, err = parseDays(match[1]); err != nil {
		return Span{}, err
	}
	if s.from, err = parseClock(match[2]); err != nil {
		return Span{}, err
	}
	if s.to, err = parseClock(match[3]); err != nil {
		return Span{}, err
	}
	zone := match[4]
	if zone == "Local" {
		return Span{}, fmt.Errorf("must name its time zone, as Europe/Berlin, and not %q", zone)
	}
	if s.zone, err = time.LoadLocation(zone); err != nil {
		return Span{}, fmt.Errorf("must name a time zone of the IANA database, as Europe/Berlin, and not %q", zone)
	}
	return s, nil
}

func parseClock(text string) (clockTime, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return clockTime{}, fmt.Errorf("must have times from 00:00 to 23:59, and not %q", text)
	}
	return clockTime{t.Hour(), t.Minute()}, nil
}

// parseDays reads "daily", "Mon", "Mon-Fri" or "Sat,Sun".
func parseDays(text string) (days [7]bool, err error) {
	if text == "daily" {
		return [7]bool{true, true, true, true, true, true, true}, nil
	}
	names := []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(names, first), slices.Index(names, last)
		if from < 0 || to < 0 {
			return days, fmt.Errorf("must have days as daily, Mon, Mon-Fri or Sat,Sun, and not %q", part)
		}
		for day := from; ; day = (day + 1) % 7 {
			days[day] = true
			if day == to {
				break
			}
		}
	}
	return days, nil
}

// untilOpen is how long it is until a span begins; 0 within one, and where
// there are none.
func untilOpen(spans []Span, now time.Time) time.Duration {
	if len(spans) == 0 {
		return 0
	}
	var wait time.Duration
	for _, s := range spans {
		until := s.until(now)
		if until == 0 {
			return 0
		}
		if wait == 0 || until < wait {
			wait = until
		}
	}
	return wait
}

// until looks from yesterday, whose span may not have ended, to this day of
// next week. Days are of the zone: they may have 23 or 25 hours.
func (s Span) until(now time.Time) time.Duration {
	now = now.In(s.zone)
	year, month, day := now.Date()
	for offset := -1; offset <= 8; offset++ {
		if !s.days[time.Date(year, month, day+offset, 12, 0, 0, 0, s.zone).Weekday()] {
			continue
		}
		last := day + offset
		// By the clock on the wall: where clocks go forward, a time that there is not
		// that night is moved by an hour, which may put it behind the end.
		if !s.from.before(s.to) {
			last++
		}
		begin := s.from.on(year, month, day+offset, s.zone)
		end := s.to.on(year, month, last, s.zone)
		switch {
		case !begin.Before(end): // all of it was left out that night
		case now.Before(begin):
			return begin.Sub(now)
		case now.Before(end):
			return 0
		}
	}
	return longWait // each span begins once a week: this is not reached
}

func (c clockTime) before(other clockTime) bool {
	return c.hour < other.hour || c.hour == other.hour && c.minute < other.minute
}

// on is when a clock first shows that time of a day or a later one: where clocks
// go forward over it, the moment at which they do.
func (c clockTime) on(year int, month time.Month, day int, zone *time.Location) time.Time {
	at := time.Date(year, month, day, c.hour, c.minute, 0, 0, zone)
	if at.Hour() == c.hour && at.Minute() == c.minute {
		return at
	}
	start, end := at.ZoneBounds() // time.Date took the offset of one side of the gap
	wall := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC)
	if !wall.Before(time.Date(year, month, day, c.hour, c.minute, 0, 0, time.UTC)) {
		return start
	}
	return end
}
