// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"errors"

	"go.opentelemetry.io/collector/consumer/consumererror"
)

// errorWithoutData is an error of several callers' data, or of one of several parts of a
// caller's. It is under errors.Is and errors.As what its original is, except that it
// gives nobody the data: not one caller that of others, nor a caller only a part.
type errorWithoutData struct{ original error }

// WithoutData returns err or, if it may contain data, an error that is the same without them.
func WithoutData(err error) (result error) {
	// An error that cannot be looked into may contain anything.
	result = errorWithoutData{err}
	defer func() { _ = recover() }()
	var (
		traces  consumererror.Traces
		metrics consumererror.Metrics
		logs    consumererror.Logs
	)
	if budget := maxErrorTree; !fits(err, &budget) || errors.As(err, &traces) || errors.As(err, &metrics) || errors.As(err, &logs) {
		return result
	}
	return err
}

func (e errorWithoutData) Error() string        { return e.original.Error() }
func (e errorWithoutData) Is(target error) bool { return errors.Is(e.original, target) }

func (e errorWithoutData) As(target any) bool {
	switch target.(type) {
	case *consumererror.Traces, *consumererror.Metrics, *consumererror.Logs:
		return false
	}
	return errors.As(e.original, target)
}
