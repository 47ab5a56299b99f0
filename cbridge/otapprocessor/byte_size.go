// SPDX-License-Identifier: Apache-2.0

package otapprocessor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes, written as a plain number or with a unit: B, KiB,
// MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of 1000).
type ByteSize int64

var byteUnits = map[string]int64{
	"": 1, "B": 1,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}

// UnmarshalText reads what a configuration says.
func (s *ByteSize) UnmarshalText(text []byte) error {
	trimmed := strings.TrimSpace(string(text))
	unitAt := strings.IndexFunc(trimmed, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if unitAt < 0 {
		unitAt = len(trimmed)
	}
	unit, known := byteUnits[strings.TrimSpace(trimmed[unitAt:])]
	number, err := strconv.ParseFloat(trimmed[:unitAt], 64)
	if err != nil || !known {
		return fmt.Errorf("%q is not a size: use a number of bytes, or a number with a unit, such as 512MiB", text)
	}
	bytes := number * float64(unit)
	if bytes != math.Trunc(bytes) || bytes >= math.MaxInt64 {
		return fmt.Errorf("%q is not a whole number of bytes below 8EiB", text)
	}
	*s = ByteSize(bytes)
	if whole, err := strconv.ParseInt(trimmed[:unitAt], 10, 64); err == nil && unit == 1 {
		// A float cannot represent every large number.
		*s = ByteSize(whole)
	}
	return nil
}

// MarshalText writes the size with the largest unit that keeps it whole.
func (s ByteSize) MarshalText() ([]byte, error) {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if size := ByteSize(byteUnits[unit]); s != 0 && s%size == 0 {
			return fmt.Appendf(nil, "%d%s", s/size, unit), nil
		}
	}
	return strconv.AppendInt(nil, int64(s), 10), nil
}
