// SPDX-License-Identifier: Apache-2.0

package configpipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/collector/confmap/xconfmap"
)

// expandedText is a value of a node's configuration that comes from a variable, such as
// ${env:SALT}, and was parsed into something that is not a text. A setting of the node that is a text
// gets the original one, as a string field of a Go component does. It is behind a function, so that printing a configuration does not show it.
type expandedText struct {
	// At are the keys and indices that lead to it.
	At   []any
	Text func() string
}

// MarshalJSON writes it as the library reads it.
func (e *expandedText) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"at": e.At, "text": e.Text()})
}

// steps are the names that lead to it, as a path writes them.
func (e *expandedText) steps() []string {
	steps := make([]string, len(e.At))
	for i, at := range e.At {
		steps[i] = fmt.Sprint(at)
	}
	return steps
}

// verbatim is a node's configuration without the xconfmap.ExpandedValue around what came from a
// variable, and the texts of those values that are not texts.
func verbatim(marked any) (any, []*expandedText) {
	var texts []*expandedText
	return unmark(marked, nil, &texts), texts
}

func unmark(marked any, at []any, texts *[]*expandedText) any {
	switch marked := marked.(type) {
	case xconfmap.ExpandedValue:
		plain, _ := verbatim(marked.Value)
		if _, err := json.Marshal(plain); err != nil {
			// JSON cannot write it: infinity and the like.
			return marked.Original
		}
		if _, isText := marked.Value.(string); !isText && len(at) > 0 {
			*texts = append(*texts, &expandedText{At: slices.Clone(at), Text: func() string { return marked.Original }})
		}
		return unmark(marked.Value, at, texts)
	case map[string]any:
		if marked == nil {
			return nil
		}
		plain := make(map[string]any, len(marked))
		for _, key := range slices.Sorted(maps.Keys(marked)) {
			plain[key] = unmark(marked[key], append(at, key), texts)
		}
		return plain
	case []any:
		if marked == nil {
			return nil
		}
		plain := make([]any, len(marked))
		for index, value := range marked {
			plain[index] = unmark(value, append(at, index), texts)
		}
		return plain
	default:
		return marked
	}
}

// value is what confmap has parsed.
func value(marked any) any {
	if expanded, ok := marked.(xconfmap.ExpandedValue); ok {
		return expanded.Value
	}
	return marked
}

// names are the names of nodes: a text, or a list of texts.
func names(marked any) any {
	if expanded, ok := marked.(xconfmap.ExpandedValue); ok {
		if list, ok := expanded.Value.([]any); ok {
			return names(list)
		}
		return expanded.Original
	}
	if list, ok := marked.([]any); ok {
		named := make([]any, len(list))
		for i, name := range list {
			named[i] = names(name)
		}
		return named
	}
	return marked
}
