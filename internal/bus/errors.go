package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

var (
	// ErrWrongLastSequence means that the stream's last sequence is not the expected one, so that nothing was stored.
	// Another writer wrote, or the stream lost its end.
	ErrWrongLastSequence = errors.New("stream is not where it was expected")
	// ErrUnknownOutcome means that the messages may have been stored or not. Read the stream before sending them again.
	ErrUnknownOutcome = errors.New("outcome of the publish is unknown")
	// ErrDuplicate means that a message id is in the server's short memory of ids; nothing was stored. Its memory
	// outlives a purge, so that this does not prove the message to be there.
	ErrDuplicate = errors.New("message id was seen a moment ago")
	// ErrTooLarge means that a message is larger than the server or the stream takes; nothing was stored.
	ErrTooLarge = errors.New("message is too large")
	// ErrNoStream means that the stream does not exist, or JetStream does not answer; nothing was stored.
	ErrNoStream = errors.New("stream is not there")
	// ErrNoSubject means that an id cannot be a part of a subject; nothing was sent.
	ErrNoSubject = errors.New("not a token of a subject")

	errDisconnected = errors.New("connection to NATS was lost")
)

// codeWrongLastConstant is the server's second code for a wrong last sequence, without the number in its text.
const codeWrongLastConstant = jetstream.ErrorCode(10164)

// publishError says what a failed publish means for the message. Only an answer of the server, or a refusal of the
// client before it sent anything, proves that nothing was stored.
func publishError(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api):
		switch api.ErrorCode {
		case jetstream.JSErrCodeStreamWrongLastSequence, codeWrongLastConstant:
			return fmt.Errorf("%w: %w", ErrWrongLastSequence, err)
		case jetstreamext.JSErrCodeBatchPublishDuplicateMsgID:
			return fmt.Errorf("%w: %w", ErrDuplicate, err)
		case jetstream.JSErrCodeStreamMessageExceedsMaximum:
			return fmt.Errorf("%w: %w", ErrTooLarge, err)
		case jetstream.JSErrCodeStreamNotFound:
			return fmt.Errorf("%w: %w", ErrNoStream, err)
		}
		return err
	case errors.Is(err, ErrDuplicate):
		return err
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: %w", ErrNoStream, err)
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}

// because replaces a context's error by the reason it was cancelled for.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		return cause
	}
	return err
}
