// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"flag"

	"github.com/otapbridge/otapbridge/capi"
)

// skipWithoutLibrary leaves out the generated tests that run pipelines in builds that
// have no library; TestCreateWithoutLibrary is what there is to test in those.
func skipWithoutLibrary() {
	if !capi.Available {
		flag.Parse()
		if err := flag.Set("test.skip", "^TestComponentLifecycle$"); err != nil {
			panic(err)
		}
	}
}
