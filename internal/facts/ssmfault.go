package facts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/envgraft/envgraft/internal/graft"
)

// SSMFault tells from an error of the SDK what is the matter. The cause is for
// people: the error's code and message, without the request's id, which would
// make every warning a new one, and without what could be a secret.
func SSMFault(err error) graft.Parameter {
	if credentials, ok := errors.AsType[*credentialsError](err); ok {
		return credentialsFault(credentials)
	}
	if _, ok := errors.AsType[*types.ParameterNotFound](err); ok {
		return without(graft.ParameterNotFound, "")
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return apiFault(api)
	}
	return without(graft.ParameterUnreachable, networkCause(err))
}

// apiFault sorts what SSM, KMS or STS refused by its code.
func apiFault(err smithy.APIError) graft.Parameter {
	code := err.ErrorCode()
	switch {
	case isClockFault(code, err.ErrorMessage()):
		return without(graft.ParameterUnreachable, clockCause(err.ErrorMessage()))
	case isCredentialsCode(code):
		// Messages about signatures quote the request, its session token too.
		return without(graft.ParameterAccessDenied, code+": AWS does not accept the webhook's credentials")
	case isDeniedCode(code):
		return without(graft.ParameterAccessDenied, apiCause(err))
	case isThrottleCode(code):
		return without(graft.ParameterThrottled, apiCause(err))
	}
	return without(graft.ParameterUnreachable, apiCause(err))
}

func apiCause(err smithy.APIError) string {
	if err.ErrorMessage() == "" {
		return err.ErrorCode()
	}
	return err.ErrorCode() + ": " + oneLine(err.ErrorMessage())
}

// isDeniedCode knows the refusals of IAM and KMS. SSM passes those of KMS on
// under several names: a key that is disabled or gone cannot decrypt either.
func isDeniedCode(code string) bool {
	switch code {
	case "AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized",
		"InvalidKeyId", "NotFoundException", "DisabledException", "KeyUnavailableException":
		return true
	}
	return strings.HasPrefix(code, "KMS")
}

// isCredentialsCode knows the refusals of the credentials themselves.
func isCredentialsCode(code string) bool {
	switch code {
	case "UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
		"ExpiredToken", "ExpiredTokenException", "InvalidIdentityToken", "AuthFailure":
		return true
	}
	return false
}

func isThrottleCode(code string) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code]
	return ok
}

// credentialsFault is for a webhook that AWS does not know: nothing was asked
// of SSM at all.
func credentialsFault(err *credentialsError) graft.Parameter {
	what := "no AWS credentials"
	if err.role != "" {
		what = fmt.Sprintf("cannot assume role %q", err.role)
	}
	if api, ok := errors.AsType[smithy.APIError](err.err); ok {
		p := apiFault(api)
		p.Cause = what + ": " + p.Cause
		return p
	}
	if err.role == "" {
		what += ": give the webhook's ServiceAccount a role (EKS Pod Identity or IRSA), or set facts.keySource"
	}
	return without(graft.ParameterUnreachable, fmt.Sprintf("%s (%s)", what, networkCause(err.err)))
}

// networkCause words an error that is no answer of AWS.
func networkCause(err error) string {
	var answer *smithyhttp.ResponseError
	var transport *url.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	case errors.As(err, &dns):
		return dns.Error()
	case errors.As(err, &transport):
		return oneLine(transport.Err.Error())
	case errors.As(err, &answer) && answer.Response != nil && answer.HTTPStatusCode() > 0:
		// The decoder's words may quote the answer, which holds the value.
		return fmt.Sprintf("an answer with HTTP status %d that cannot be read", answer.HTTPStatusCode())
	}
	return oneLine(innermost(err).Error())
}

// innermost is the error without the SDK's layers, which repeat each other.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// oneLine fits a message of someone else into a warning.
func oneLine(text string) string {
	const limit = 300
	line := strings.Join(strings.Fields(text), " ")
	if runes := []rune(line); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return line
}
