// SPDX-License-Identifier: Apache-2.0

package configpipeline

import (
	"fmt"
	"os"
	"sync"

	"go.uber.org/zap/zapcore"

	"github.com/otapbridge/otapbridge/cbridge"
)

// WarnValidation prints the warnings about a component to the standard error if nobody would
// log them: `otelcol validate` makes components with a logger that drops everything, and never starts them.
func WarnValidation(settings *cbridge.Settings) {
	if settings.Logger.Core().Enabled(zapcore.FatalLevel) {
		return
	}
	for _, warning := range settings.Warnings() {
		if _, known := printed.LoadOrStore(warning, true); !known {
			fmt.Fprintf(os.Stderr, "warning: %s\n", warning)
		}
	}
}

// printed are the warnings that were printed: a component is made for each pipeline that it is in.
var printed sync.Map
