package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/metrics"
)

// Limits bound what reviews may take together. Whoever reaches the port can
// send any number of any size, and a pod whose creation waits for an honest
// review must be answered beside them.
type Limits struct {
	// MaxConcurrentReviews are the reviews that are worked on at once.
	MaxConcurrentReviews int
	// MaxBytesInFlight are the bytes of long reviews that are held at once.
	MaxBytesInFlight int
	// MaxAnswerBytes is the length of an answer's patch.
	MaxAnswerBytes int
	// MaxConnections are the connections that are held at once.
	MaxConnections int
}

const (
	// maxReviewBytes are two objects of the API server's 3 MiB, and the rest of
	// a review.
	maxReviewBytes = 7 << 20
	// shortReview is the length up to which a review needs no place in line for
	// its bytes, so that long ones hold up none but each other: connections
	// bound these.
	shortReview = 64 << 10
	// firstRead is the buffer that a review begins with, whatever length it
	// announces: only bytes that arrive take memory.
	firstRead = 16 << 10
	// bodyTime is how long a review's bytes may take to arrive. API servers send
	// them at once.
	bodyTime = 5 * time.Second
)

// limits are the lines that reviews wait in.
type limits struct {
	Limits
	reviews, readers, bytes *semaphore.Weighted
	buffers                 sync.Pool
	// lines are those about refusals.
	lines bounded.Lines
}

func newLimits(l Limits) *limits {
	return &limits{
		Limits:  l,
		reviews: semaphore.NewWeighted(int64(l.MaxConcurrentReviews)),
		readers: semaphore.NewWeighted(int64(l.MaxConnections)),
		bytes:   semaphore.NewWeighted(int64(l.MaxBytesInFlight)),
		buffers: sync.Pool{New: func() any { buffer := make([]byte, 0, firstRead); return &buffer }},
	}
}

// enter waits for a review's turn.
func (l *limits) enter(ctx context.Context) *refusal {
	if l.reviews.Acquire(ctx, 1) != nil {
		return tooMany(metrics.RefusalReviews, fmt.Sprintf("%d reviews (server.limits.maxConcurrentReviews)", l.MaxConcurrentReviews))
	}
	return nil
}

func (l *limits) leave() { l.reviews.Release(1) }

// buffer is bytes that are used again.
type buffer struct {
	limits *limits
	home   *[]byte
	data   []byte
}

func (l *limits) newBuffer() buffer {
	home := l.buffers.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	return buffer{limits: l, home: home, data: (*home)[:0]}
}

// release gives the bytes back. Long ones are left to the garbage collector,
// or one attack would be remembered forever.
func (b *buffer) release() {
	if cap(b.data) <= shortReview {
		*b.home = b.data
	}
	b.limits.buffers.Put(b.home)
	b.data = nil
}

// body is a review's bytes.
type body struct {
	buffer
	// weight is the place in the line for bytes, and reading says that there is
	// one in the line of readers.
	weight  int64
	reading bool
	// waited is called with the time that the body spent in a line.
	waited func(time.Duration) error
}

func (l *limits) newBody() *body { return &body{buffer: l.newBuffer()} }

func (b *body) release() {
	b.buffer.release()
	b.limits.bytes.Release(b.weight)
	if b.reading {
		b.limits.readers.Release(1)
	}
}

// read takes the body in as it arrives.
func (b *body) read(ctx context.Context, r *http.Request) *refusal {
	if err := b.enter(ctx, b.limits.readers, 1, metrics.RefusalReaders,
		"as many reviews arriving as connections (server.limits.maxConnections)"); err != nil {
		return err
	}
	b.reading = true
	for {
		if len(b.data) == cap(b.data) {
			if err := b.grow(ctx, r.ContentLength); err != nil {
				return err
			}
		}
		n, err := r.Body.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case len(b.data) > maxReviewBytes:
			return tooLong()
		case err != nil:
			return unread(err)
		}
	}
}

// grow makes room for more. A review that turns out long waits for its turn.
func (b *body) grow(ctx context.Context, announced int64) *refusal {
	size := min(2*cap(b.data), maxReviewBytes+1)
	if size > shortReview && b.weight == 0 {
		if announced < 0 {
			announced = maxReviewBytes
		}
		if err := b.enter(ctx, b.limits.bytes, announced, metrics.RefusalBytes,
			fmt.Sprintf("long reviews for %d bytes (server.limits.maxBytesInFlight)", b.limits.MaxBytesInFlight)); err != nil {
			return err
		}
		b.weight = announced
	}
	if announced > shortReview && size > shortReview {
		size = int(announced) + 1 // all of it, and room to see the end
	}
	b.data = append(make([]byte, 0, size), b.data...)
	return nil
}

// enter takes a place in a line, and has the time spent in it not count as that
// of the bytes' arrival.
func (b *body) enter(ctx context.Context, line *semaphore.Weighted, places int64, reason metrics.Refusal, full string) *refusal {
	if line.TryAcquire(places) {
		return nil
	}
	start := time.Now()
	if line.Acquire(ctx, places) != nil {
		return tooMany(reason, full)
	}
	if err := b.waited(time.Since(start)); err != nil {
		line.Release(places)
		return unbounded(err)
	}
	return nil
}

func tooLong() *refusal {
	return &refusal{
		metrics.RefusalTooLong, http.StatusRequestEntityTooLarge,
		fmt.Sprintf("a review of more than %d bytes: an API server sends none", maxReviewBytes),
	}
}

func tooMany(reason metrics.Refusal, what string) *refusal {
	return &refusal{reason, http.StatusTooManyRequests, "there are " + what + " at once, and this one's time in line is over: " +
		"try again; if it stays, find out who creates so many objects, or add replicas"}
}

func unread(err error) *refusal {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return &refusal{metrics.RefusalSlow, http.StatusRequestTimeout, fmt.Sprintf("the review did not arrive within %s", bodyTime)}
	}
	return &refusal{metrics.RefusalMalformed, http.StatusBadRequest, "the review broke off"}
}
