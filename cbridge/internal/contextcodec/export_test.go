// SPDX-License-Identifier: Apache-2.0

package contextcodec

// AnyContext and AnyUsualAddress generate contexts for tests from outside.
var (
	AnyContext      = anyContext
	AnyUsualAddress = anyUsualAddress
)
