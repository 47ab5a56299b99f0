// SPDX-License-Identifier: Apache-2.0

// Package programs tests what `make install` installs with programs in C and
// C++, and the Go module with a consumer's build.
package programs
