// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/cbridge"
)

// dataFormat is the format in which data arrives, as receivers of OTLP name it.
const dataFormat = "protobuf"

// observe forwards to the next component as every receiver does: what that accepts and
// refuses is counted, and each request has a span. The data is counted before: the next
// component may change it.
func observe[T any](
	consume func(context.Context, T) error, count func(T) int,
	start func(context.Context) context.Context, end func(ctx context.Context, format string, count int, err error),
) func(context.Context, T) error {
	return func(ctx context.Context, data T) error {
		items := count(data)
		ctx = start(ctx)
		// The spans of merged requests, which have no common parent.
		span := trace.SpanFromContext(ctx)
		for _, merged := range cbridge.LinksFromContext(ctx) {
			span.AddLink(merged)
		}
		err := consume(ctx, data)
		end(ctx, dataFormat, items, err)
		return err
	}
}
