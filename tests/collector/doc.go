// SPDX-License-Identifier: Apache-2.0

// Package collector tests bin/otapcol from outside: real OTLP clients send to
// it, and a real OTLP server receives what it made of the telemetry.
package collector
