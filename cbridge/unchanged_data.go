// SPDX-License-Identifier: Apache-2.0

package cbridge

import "github.com/otapbridge/otapbridge/capi"

// input is what went into a call, until its first output: that can be the same data.
type input struct {
	data pdata
	// payload is what the data were written as. It is kept, so that nothing else can come
	// to be at its address. Data that went in by reference have none until they are moved.
	payload []byte
	// taken: data that went in by reference were put out, and are next's.
	taken bool
}

// takeUnchanged returns the data that went in if the event has the very bytes that they were
// written as, and the next consumer may have them; otherwise none. It forgets them in
// either case: the next consumer may change what it got once, so later output of the same
// bytes has to be read from them.
func (i *input) takeUnchanged(event *capi.Event, next *Consumers) pdata {
	data, sent, got := i.data, i.payload, event.Payload
	*i = input{}
	unchanged := data.signal == event.Signal && len(sent) > 0 && len(sent) == len(got) && &sent[0] == &got[0]
	if !unchanged || !data.mayGoTo(next) {
		return pdata{}
	}
	return data
}
