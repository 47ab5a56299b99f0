// SPDX-License-Identifier: Apache-2.0

//! The counter of live contexts, in a process of its own: it is global.

use otapbridge_context::{ContextBlock, RequestContext};

#[test]
fn contexts_count_once_and_until_the_last_clone_is_gone() {
    assert_eq!(RequestContext::live(), 0);
    let empty = RequestContext::empty();
    assert_eq!(RequestContext::live(), 0);
    let first = RequestContext::new(ContextBlock::empty());
    let second = RequestContext::new(ContextBlock::empty());
    let clone = first.clone();
    assert_eq!(RequestContext::live(), 2);
    drop(first);
    assert_eq!(RequestContext::live(), 2);
    drop(clone);
    assert_eq!(RequestContext::live(), 1);
    drop((second, empty));
    assert_eq!(RequestContext::live(), 0);
}
