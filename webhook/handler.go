package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/envgraft/envgraft/internal/metrics"
)

// The way of a review: it waits for its turn, is read into a buffer, answered
// by its handler, and written out of another. controller-runtime's own handler
// decodes the whole of it into values and has no bounds but on its length.

// refusalRecorder counts refusals.
type refusalRecorder interface{ ReviewRefused(reason metrics.Refusal) }

// reviewHandler answers the reviews of one path.
type reviewHandler struct {
	next   reviewer
	limits *limits
	// metrics and log learn of refusals.
	metrics refusalRecorder
	log     logr.Logger
	// trusted says that the client may send reviews.
	trusted func(*http.Request) bool
}

// The most and the least that a review may take: API servers wait 30 s at most,
// and say in the query for how long they do.
const (
	maxReviewTime     = 30 * time.Second
	defaultReviewTime = 10 * time.Second
	minReviewTime     = 100 * time.Millisecond
)

// answerTime is what is left of a review's time for the way back.
func answerTime(total time.Duration) time.Duration { return min(total/4, 500*time.Millisecond) }

// reviewTime is how long the API server waits for this review. It says nothing
// else in the query.
func reviewTime(r *http.Request) time.Duration {
	timeout, alone := strings.CutPrefix(r.URL.RawQuery, "timeout=")
	if !alone || strings.ContainsAny(timeout, "&;%+") {
		timeout = r.URL.Query().Get("timeout")
	}
	asked, err := time.ParseDuration(timeout)
	if err != nil || asked <= 0 {
		return defaultReviewTime
	}
	return min(max(asked, minReviewTime), maxReviewTime)
}

// ServeHTTP answers one review.
func (h *reviewHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.trusted(r) {
		h.refuse(w, &refusal{
			metrics.RefusalUntrusted, http.StatusForbidden,
			"reviews are taken from API servers alone: this client has no certificate that server.clientCA signed",
		})
		return
	}
	if err := checkHeaders(r); err != nil {
		h.refuse(w, err)
		return
	}
	total := reviewTime(r)
	// The client's going ends the context, too.
	ctx, cancel := context.WithTimeout(r.Context(), total-answerTime(total))
	defer cancel()
	if refusal := h.answer(ctx, w, r); refusal != nil {
		h.refuse(w, refusal)
	}
}

// refuse answers with a refusal, counts it, and logs one a minute of its kind:
// whoever reaches the port could fill the log.
func (h *reviewHandler) refuse(w http.ResponseWriter, refusal *refusal) {
	if refusal.reason != "" {
		h.refused(refusal.reason, refusal.text)
	}
	refusal.write(w)
}

func (h *reviewHandler) refused(reason metrics.Refusal, text string) {
	h.metrics.ReviewRefused(reason)
	if leftOut, ok := h.limits.lines.Next(string(reason)); ok {
		h.log.Info("Refused a review", "reason", reason, "message", text, "leftOut", leftOut)
	}
}

// answer reads, decides and writes, or says why not.
func (h *reviewHandler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request) *refusal {
	in := h.limits.newBody()
	defer in.release()
	if err := arrive(ctx, in, w, r); err != nil {
		return err
	}
	if err := h.limits.enter(ctx); err != nil {
		return err
	}
	defer h.limits.leave()

	read, decide := h.next.review()
	request, version, err := readReview(in.data, read)
	if err != nil {
		return &refusal{metrics.RefusalMalformed, http.StatusBadRequest, fmt.Sprintf("cannot read the review: %v", err)}
	}
	response := decide(ctx, request)
	if r.Context().Err() != nil {
		return nil // nobody is left to read the answer
	}
	out := h.limits.newAnswer()
	defer out.release()
	if fits, err := out.writePatch(response.Patches); err != nil {
		return &refusal{code: http.StatusInternalServerError, text: "cannot write the patch: " + err.Error()}
	} else if !fits {
		h.refused(metrics.RefusalAnswer, "the patch is longer than server.limits.maxAnswerBytes")
		response = h.next.tooLong(h.limits.MaxAnswerBytes)
	}
	out.write(version, request.UID, &response)
	// Without its length, an answer of more than 2 KiB goes out in chunks.
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(out.data))}
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = w.Write(out.data) // a client that has gone needs no telling
	return nil
}

// arrive reads the review's bytes, for which there is a time of their own: what
// comes byte by byte must not hold its place for long. The time that a review
// waits in line does not count: its bytes may have been there all along.
func arrive(ctx context.Context, in *body, w http.ResponseWriter, r *http.Request) *refusal {
	control := http.NewResponseController(w)
	deadline := time.Now().Add(bodyTime)
	in.waited = func(inLine time.Duration) error {
		deadline = deadline.Add(inLine)
		return control.SetReadDeadline(deadline)
	}
	if err := in.waited(0); err != nil {
		return unbounded(err)
	}
	if err := in.read(ctx, r); err != nil {
		return err
	}
	// net/http reads on to see the client go, and would take the deadline for that.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return unbounded(err)
	}
	return nil
}

// unbounded says that a connection takes no deadline.
func unbounded(err error) *refusal {
	return &refusal{code: http.StatusInternalServerError, text: "cannot bound the time of the request: " + err.Error()}
}

// refusal is an answer without a review: an API server takes it for a failed
// call, which the webhook's failurePolicy decides about.
type refusal struct {
	// reason is empty where no bound is.
	reason metrics.Refusal
	code   int
	text   string
}

func (e *refusal) write(w http.ResponseWriter) {
	if e.code == http.StatusTooManyRequests {
		// API servers ask again while their time lasts.
		w.Header().Set("Retry-After", "1")
	}
	if e.code != http.StatusTooManyRequests {
		// What is left of the body is not worth reading.
		w.Header().Set("Connection", "close")
	}
	http.Error(w, e.text, e.code)
}

// checkHeaders refuses what is no review before any of it is read.
func checkHeaders(r *http.Request) *refusal {
	switch {
	case r.Method != http.MethodPost:
		return &refusal{metrics.RefusalMalformed, http.StatusMethodNotAllowed, "reviews are posted, and this is a " + r.Method}
	case r.Header.Get("Content-Type") != "application/json":
		return &refusal{
			metrics.RefusalMalformed, http.StatusUnsupportedMediaType,
			fmt.Sprintf("a review is application/json, and this is %.100q", r.Header.Get("Content-Type")),
		}
	case r.ContentLength > maxReviewBytes:
		return tooLong()
	case r.Header.Get("Content-Encoding") != "":
		return &refusal{metrics.RefusalMalformed, http.StatusUnsupportedMediaType, "a review has no Content-Encoding"}
	}
	return nil
}
