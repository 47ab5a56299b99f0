// SPDX-License-Identifier: Apache-2.0

package configpipeline

import (
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otapbridge/otapbridge/cbridge"
)

// opaque hides a value that stands where a secret belongs and is not a text. The node will refuse it, but
// it may be the secret.
type opaque struct{ value any }

// MarshalText writes what configopaque writes.
func (opaque) MarshalText() ([]byte, error) { return configopaque.String("").MarshalText() }

// String is what configopaque shows.
func (opaque) String() string { return configopaque.String("").String() }

// GoString is what configopaque shows.
func (opaque) GoString() string { return configopaque.String("").GoString() }

// hideSecrets replaces secrets in the nodes' configurations by values that are not shown.
// The nodes say what is one; in a build without them every text is taken for one.
func (p *Pipeline) hideSecrets() error {
	document, err := p.Document()
	if err != nil {
		// It cannot be given to the nodes, as Validate will say: what is a secret cannot be known.
		p.hideTexts()
		return nil //nolint:nilerr // found again by Validate, with the component's path
	}
	places, err := cbridge.SecretSettings(document)
	if err != nil {
		p.hideTexts()
		return nil //nolint:nilerr // there is no library, as the component's creation will say
	}
	for _, place := range places {
		p.hideAt(place)
	}
	return nil
}

func (p *Pipeline) hideAt(place string) {
	steps := strings.Split(place, "::")
	switch {
	case place == "":
		p.hideTexts()
	case steps[0] == "config":
		p.Config, p.expanded = hide(p.Config, steps[1:], p.expanded)
	case len(steps) > 2:
		// nodes::<name>::config, and below it ::<setting>
		node := p.Nodes[steps[1]]
		node.Config, node.expanded = hide(node.Config, steps[3:], node.expanded)
		p.Nodes[steps[1]] = node
	}
}

// hide replaces the value at a place by one that is not shown. If the value was parsed from a
// text, that text takes its place, hidden, and is taken out of texts. Without steps the whole configuration
// is hidden, and texts stay as they are.
func hide(config any, steps []string, texts []*expandedText) (any, []*expandedText) {
	if len(steps) == 0 {
		return hiddenTexts(config, texts), texts
	}
	at := slices.IndexFunc(texts, func(text *expandedText) bool { return slices.Equal(text.steps(), steps) })
	if at < 0 {
		return replaced(config, steps, hiddenValue), texts
	}
	secret := configopaque.String(texts[at].Text())
	return replaced(config, steps, func(any) any { return secret }), slices.Delete(texts, at, at+1)
}

// replaced is the value with another one at a place in it. A place that is not there was written for a
// key that contains "::". Which key it is cannot be told, so all texts around it are hidden.
func replaced(value any, steps []string, by func(any) any) any {
	if len(steps) == 0 {
		return by(value)
	}
	switch value := value.(type) {
	case map[string]any:
		below, found := value[steps[0]]
		if !found {
			return hiddenTexts(value, nil)
		}
		value[steps[0]] = replaced(below, steps[1:], by)
	case []any:
		if index, err := strconv.Atoi(steps[0]); err == nil && index < len(value) {
			value[index] = replaced(value[index], steps[1:], by)
		}
	}
	return value
}

func hiddenValue(value any) any {
	switch value.(type) {
	case map[string]any, []any, string:
		return hiddenTexts(value, nil)
	}
	return opaque{value}
}

// hideTexts hides every text of the nodes' configurations, and what was read from one.
func (p *Pipeline) hideTexts() {
	p.Config = hiddenTexts(p.Config, p.expanded)
	for name, node := range p.Nodes {
		node.Config = hiddenTexts(node.Config, node.expanded)
		p.Nodes[name] = node
	}
}

func hiddenTexts(value any, texts []*expandedText) any {
	for _, text := range texts {
		value = replaced(value, text.steps(), hiddenValue)
	}
	return mapped(value, func(leaf any) any {
		if text, ok := leaf.(string); ok {
			return configopaque.String(text)
		}
		return leaf
	})
}

// shown is a configuration with its secrets, for the nodes.
func shown(value any) any {
	return mapped(value, func(leaf any) any {
		switch leaf := leaf.(type) {
		case configopaque.String:
			return string(leaf)
		case opaque:
			return leaf.value
		}
		return leaf
	})
}

// mapped is a copy of a value with other leaves.
func mapped(value any, leaf func(any) any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(value))
		for key, inner := range value {
			copied[key] = mapped(inner, leaf)
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for index, inner := range value {
			copied[index] = mapped(inner, leaf)
		}
		return copied
	}
	return leaf(value)
}
